/**
 * The legacy Policy and MeshPolicy, unknown to typed, refusing what Istio's validation refused and every field nobody knows
 * (policy-semantics §7). Whom a target means and who wins is decided elsewhere.
 */
import { attempt, DecodeProblem, expected } from '../decode/decode-problem.ts'
import type { Path } from '../decode/decode-problem.ts'
import { boolean, corner, items, map, oneOf, optional, port, record, required } from '../decode/decode.ts'
import type { Fields } from '../decode/decode.ts'
import { specFields } from './decode-meta.ts'
import { decodeOrigin } from './decode-legacy-origin.ts'
import type { LegacyPolicy, LegacyPort, LegacyTarget } from './legacy-policy.ts'
import { dnsLabel } from './names.ts'
import type { EffectiveMtls } from './peer-authentication.ts'
import type { JwtRule } from './request-authentication.ts'
import type { RawResource, ResourceMeta } from './resource.ts'

export const legacyKinds: ReadonlySet<string> = new Set(['Policy', 'MeshPolicy'])

const specOf = ['targets', 'peers', 'peerIsOptional', 'origins', 'originIsOptional', 'principalBinding']
const mostTargets = 1000
const mostOrigins = 100
/** The only name of a policy for a whole namespace or mesh. */
const wideName = 'default'

export function decodeLegacyPolicy(raw: RawResource, meta: ResourceMeta, warnings: string[]): LegacyPolicy {
  const spec = specFields(raw, specOf)
  const at = 'spec'
  const targets = items(spec, 'targets', at, decodeTarget, mostTargets)
  const scope = scopeOf(raw.kind, meta, targets)
  const origins = items(
    spec,
    'origins',
    at,
    (input, path) => decodeOrigin(input, path, warnings),
    mostOrigins,
  )
  refuseTwins(origins)
  const optionalOrigin = optional(spec, 'originIsOptional', at, boolean) ?? false
  return {
    meta,
    scope,
    targets,
    mode: decodePeers(spec, at, warnings),
    origins,
    demand: origins.length === 0 ? 'none' : optionalOrigin ? 'optional' : 'required',
    binding: optional(spec, 'principalBinding', at, oneOf(['USE_PEER', 'USE_ORIGIN'])) ?? 'USE_PEER',
    quarantined: null,
  }
}

function scopeOf(kind: string, { name }: ResourceMeta, targets: readonly unknown[]): LegacyPolicy['scope'] {
  if (kind === 'MeshPolicy') {
    if (name !== wideName) throw expected(`the name "${wideName}" for a MeshPolicy`, name, 'metadata.name')
    if (targets.length > 0) throw new DecodeProblem('spec.targets', 'must not be set in a MeshPolicy')
    return 'mesh'
  }
  if (targets.length === 0 && name !== wideName)
    throw expected(`the name "${wideName}" for a Policy without targets`, name, 'metadata.name')
  if (targets.length > 0 && name === wideName)
    throw new DecodeProblem('spec.targets', `must not be set in a Policy named "${wideName}"`)
  return targets.length > 0 ? 'targets' : 'namespace'
}

function decodeTarget(input: unknown, at: Path): LegacyTarget {
  const fields = record(input, at, ['name', 'ports'])
  return {
    service: required(fields, 'name', at, dnsLabel),
    ports: items(fields, 'ports', at, decodePort, mostTargets),
  }
}

function decodePort(input: unknown, at: Path): LegacyPort {
  const fields = record(input, at, ['number', 'name'])
  const number = optional(fields, 'number', at, port)
  const name = optional(fields, 'name', at, dnsLabel)
  if (number !== null && name !== null)
    throw new DecodeProblem(at, 'only one of number and name can be set, found both')
  if (number === null && name === null) throw new DecodeProblem(at, 'number or name must be set')
  return (number ?? name) as LegacyPort
}

/** The first method counts, as it did for Istio's listener; without one there is no mutual TLS at all. */
function decodePeers(spec: Fields, at: Path, warnings: string[]): EffectiveMtls {
  const [first] = items(spec, 'peers', at, (input, path) => decodePeer(input, path, warnings), mostOrigins)
  const lax = optional(spec, 'peerIsOptional', at, boolean) ?? false
  if (first === undefined) {
    warnings.push('spec.peers: none: only plaintext is served where this policy wins')
    return 'DISABLE'
  }
  // A failed peer authentication that rejects nobody is what PERMISSIVE means.
  return lax ? 'PERMISSIVE' : first
}

function decodePeer(input: unknown, at: Path, warnings: string[]): 'STRICT' | 'PERMISSIVE' {
  const fields = record(input, at, ['mtls', 'jwt'])
  if (fields.has('jwt'))
    throw new DecodeProblem(`${at}.jwt`, 'no token ever authenticated a peer: use origins')
  // `- mtls:` with nothing behind it is how the documents of the time wrote STRICT.
  const written = map(input, at)
  if (Object.hasOwn(written, 'mtls') && written['mtls'] === null) return 'STRICT'
  return required(fields, 'mtls', at, (mtls, path) => {
    const params = record(mtls, path, ['mode', 'allowTls'])
    const mode = optional(params, 'mode', path, oneOf(['STRICT', 'PERMISSIVE'])) ?? 'STRICT'
    if (!(optional(params, 'allowTls', path, boolean) ?? false)) return mode
    warnings.push(`${path}.allowTls: deprecated then: it means mode PERMISSIVE`)
    return 'PERMISSIVE'
  })
}

function refuseTwins(origins: readonly JwtRule[]): void {
  origins.forEach(({ issuer }, index) => {
    const first = origins.findIndex((other) => other.issuer === issuer)
    if (first === index) return
    throw new DecodeProblem(
      `spec.origins[${index}].jwt.issuer`,
      `must not be that of spec.origins[${first}]: each issuer once`,
    )
  })
}

/**
 * Of a refused object: whom it was for and what it may have demanded, as far as can be read; what cannot be is taken as
 * wide as it could have been meant. It closes: mutual TLS only, and no request where there may have been origins.
 */
export function legacyStub(raw: RawResource, meta: ResourceMeta, reason: string): LegacyPolicy {
  const found = raw.kind === 'MeshPolicy' ? [] : salvageTargets(raw)
  const scope =
    raw.kind === 'MeshPolicy'
      ? 'mesh'
      : found?.length === 0 && meta.name === wideName
        ? 'namespace'
        : 'targets'
  return {
    meta,
    scope,
    // One that is not for a namespace had targets, whatever became of them.
    targets: scope === 'targets' && found?.length === 0 ? null : found,
    mode: 'STRICT',
    origins: [],
    demand: surelyHasNoOrigins(raw) ? 'none' : 'required',
    binding: 'USE_PEER',
    quarantined: reason,
  }
}

/** null when there are some that cannot be read. A damaged document's targets are not believed. */
function salvageTargets(raw: RawResource): readonly LegacyTarget[] | null {
  if (raw.damage !== undefined) return null
  const read = attempt(() => {
    const spec = corner(raw.object['spec'] ?? {}, 'spec', ['targets'])
    return items(spec, 'targets', 'spec', decodeTarget, mostTargets)
  })
  return read.ok ? read.value : null
}

/** A field nobody knows may have been meant to be `origins`. */
function surelyHasNoOrigins(raw: RawResource): boolean {
  if (raw.damage !== undefined) return false
  const read = attempt(() => specFields(raw, specOf).has('origins'))
  return read.ok && !read.value
}
