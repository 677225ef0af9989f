/** `selector` and `targetRefs`: which workloads an object is about, as written. Matching is `selects()` in resource.ts. */
import { attempt, DecodeProblem, expected } from '../decode/decode-problem.ts'
import type { Path } from '../decode/decode-problem.ts'
import { corner, list, mapOf, nonEmptyString, optional, record, required, string } from '../decode/decode.ts'
import type { Fields } from '../decode/decode.ts'
import type { RawResource, Selector } from './resource.ts'

export const selectorWithoutLabels = 'selector has no labels: it selects every workload in scope'

/** An empty selector is null (everything in scope), as an absent one is, with a warning (policy-semantics §8.1). */
export function decodeSelector(
  fields: Fields,
  at: Path,
  warnings: string[],
  key = 'selector',
): Selector | null {
  const selector = optional(fields, key, at, matchLabels)
  if (selector === null) return null
  if (Object.keys(selector).length > 0) return selector
  warnings.push(`${at}.${key}: ${selectorWithoutLabels}`)
  return null
}

const labels = mapOf(
  (input, at) => {
    const text = string(input, at)
    if (text.includes('*')) throw expected('a label value without "*"', input, at)
    if (text.length > 63) throw expected('a label value of at most 63 characters', input, at)
    return text
  },
  (key, at) => {
    if (key === '' || key.includes('*'))
      throw expected('label keys that are not empty and have no "*"', key, at)
  },
)

function matchLabels(input: unknown, at: Path): Selector {
  const fields = record(input, at, ['matchLabels'])
  return optional(fields, 'matchLabels', at, labels) ?? {}
}

/** The plain `labels` of a ServiceEntry's or Sidecar's workloadSelector. */
export function decodeLabelSelector(input: unknown, at: Path): Selector {
  const fields = record(input, at, ['labels'])
  return optional(fields, 'labels', at, labels) ?? {}
}

const attachable = new Set([
  '/Service',
  'core/Service',
  'networking.istio.io/ServiceEntry',
  'gateway.networking.k8s.io/Gateway',
  'gateway.networking.k8s.io/GatewayClass',
])

/** Whether the object attaches by targetRef(s); they are checked and otherwise of no use to a sidecar. */
export function decodeTargets(fields: Fields, at: Path): boolean {
  const given = ['selector', 'targetRef', 'targetRefs'].filter((key) => fields.has(key))
  const refs = optional(fields, 'targetRefs', at, list(targetRef, 16)) ?? []
  const single = optional(fields, 'targetRef', at, targetRef)
  if (given.length > 1 && !(given.length === 2 && refs.length === 0 && single === null)) {
    throw new DecodeProblem(
      at,
      `only one of selector, targetRef and targetRefs can be set, found ${given.join(' and ')}`,
    )
  }
  return single !== null || refs.length > 0
}

function targetRef(input: unknown, at: Path): true {
  const fields = record(input, at, ['group', 'kind', 'name', 'namespace'])
  const kind = required(fields, 'kind', at, nonEmptyString)
  const group = optional(fields, 'group', at, string) ?? ''
  required(fields, 'name', at, nonEmptyString)
  if ((optional(fields, 'namespace', at, string) ?? '') !== '') {
    throw new DecodeProblem(
      `${at}.namespace`,
      'must not be set: an object attaches within its own namespace only',
    )
  }
  if (!attachable.has(`${group}/${kind}`)) {
    throw expected(
      'the kind Service, ServiceEntry, Gateway or GatewayClass of its own group',
      `${group}/${kind}`,
      at,
    )
  }
  return true
}

/**
 * The selector of an object that was refused, for its stub. `{}` (selects everything) when there is one that cannot be
 * read: its stub must cover at least what the object was meant to cover. A damaged document's selector is not believed.
 */
export function salvageSelector(raw: RawResource): Selector | null {
  if (raw.damage !== undefined) return {}
  const spec = raw.object['spec'] ?? {}
  // Only the selector is looked at, so that the fault elsewhere does not matter.
  const read = attempt(() => optional(corner(spec, 'spec', ['selector']), 'selector', 'spec', matchLabels))
  if (!read.ok) return {}
  return read.value === null || Object.keys(read.value).length === 0 ? null : read.value
}

/** Whether a refused object surely attaches by targetRefs alone, so that its stub concerns no sidecar. */
export function salvageTargets(raw: RawResource): boolean {
  if (raw.damage !== undefined) return false
  const read = attempt(() => {
    const fields = corner(raw.object['spec'], 'spec', ['selector', 'targetRef', 'targetRefs'])
    return decodeTargets(fields, 'spec') && !fields.has('selector')
  })
  return read.ok && read.value
}
