/**
 * The stand-in for a refused object as it is sent: a body that says no more than what it covers, and the reason as an
 * annotation. The receiver makes the fail-closed stub of it again.
 */
import { envelope, quarantinedAnnotation, unknownScopeAnnotation } from '../discovery/mcp-resource.ts'
import { legacySpec } from '../discovery/legacy-policy-spec.ts'
import type { ResourceType } from '../discovery/resource-type.ts'
import type { Stub } from '../policy/fail-closed.ts'
import type { ResourceMeta, Selector } from '../policy/resource.ts'
import type { AnyMessage } from '../proto/discovery-messages.ts'

/** null when the kind has no stub, or when it concerns no sidecar. `more` are annotations besides the reason. */
export function stubEnvelope(
  type: ResourceType,
  stub: Stub | null,
  meta: ResourceMeta,
  reason: string,
  more: Readonly<Record<string, string>> = {},
): AnyMessage | null {
  if (stub === null) return null
  if (stub.kind === 'AuthorizationPolicy' && stub.value.targetsGateway) return null
  const why = { [quarantinedAnnotation]: reason, ...more }
  // Metadata of a refused object may be what was wrong with it: its name is enough.
  const bare = { ...meta, labels: {}, annotations: {}, createdAt: 0 }
  const made = envelope(type, bare, ...bodyOf(stub, why))
  return made.ok ? made.any : null
}

type Body = [spec: Readonly<Record<string, unknown>>, notes: Readonly<Record<string, string>>]

function bodyOf(stub: Stub, why: Readonly<Record<string, string>>): Body {
  switch (stub.kind) {
    case 'DestinationRule':
      return [{ host: stub.value.host }, why]
    case 'Policy':
    case 'MeshPolicy':
      return [legacySpec(stub.value, 'all'), why]
    default:
      return [scopeSpec(stub.value.selector), { ...why, ...scopeNote(stub.value.selector) }]
  }
}

function scopeSpec(selector: Selector | null): Readonly<Record<string, unknown>> {
  return selector === null || isUnknown(selector) ? {} : { selector: { matchLabels: selector } }
}

function scopeNote(selector: Selector | null): Readonly<Record<string, string>> {
  return selector !== null && isUnknown(selector) ? { [unknownScopeAnnotation]: 'unknown' } : {}
}

/** `{}` stands for a selector that could not be read (peer-mode.ts). */
function isUnknown(selector: Selector): boolean {
  return Object.keys(selector).length === 0
}
