/** PeerAuthentication, unknown to typed (policy-semantics §8.3); which of several wins is decided in `peer-mode.ts`. */
import { DecodeProblem, expected } from '../decode/decode-problem.ts'
import { map, mapOf, oneOf, optional, record } from '../decode/decode.ts'
import type { Decoder } from '../decode/decode.ts'
import { specFields } from './decode-meta.ts'
import { decodeSelector } from './decode-selector.ts'
import type { MtlsMode, PeerAuthentication } from './peer-authentication.ts'
import type { RawResource, ResourceMeta } from './resource.ts'

const mtls: Decoder<MtlsMode> = (input, at) => {
  const fields = record(input, at, ['mode'])
  return optional(fields, 'mode', at, oneOf(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT'])) ?? 'UNSET'
}

const portLevel = mapOf(mtls, (key, at) => {
  if (!/^[1-9]\d{0,4}$/.test(key) || Number(key) > 65535)
    throw expected('port numbers from 1 to 65535', key, at)
})

export function decodePeerAuthentication(
  raw: RawResource,
  meta: ResourceMeta,
  warnings: string[],
): PeerAuthentication {
  const spec = specFields(raw, ['selector', 'mtls', 'portLevelMtls'])
  const selector = decodeSelector(spec, 'spec', warnings)
  const ports = optional(spec, 'portLevelMtls', 'spec', (input, at) => {
    if (Object.keys(map(input, at)).length === 0)
      throw new DecodeProblem(at, 'must not be empty when present')
    if (selector === null) throw new DecodeProblem(at, 'needs a selector with labels')
    return portLevel(input, at)
  })
  return {
    meta,
    selector,
    mode: optional(spec, 'mtls', 'spec', mtls) ?? 'UNSET',
    portLevel: ports ?? {},
    quarantined: null,
    legacy: null,
  }
}
