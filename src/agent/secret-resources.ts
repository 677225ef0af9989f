/** A workload secret as the SDS resources that proxies ask for by name (dataplane §7.1, §7.2). Values to bytes, no I/O. */
import { loadProto } from '../proto/load-proto.ts'
import type { WorkloadSecret } from './workload-secret.ts'

export const secretTypeUrl = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret'

export interface ResourceNames {
  readonly certificate: string
  readonly bundle: string
}

export const istioResourceNames: ResourceNames = { certificate: 'default', bundle: 'ROOTCA' }

/** Bytes by name; the bundle first, since trust has to arrive before what it vouches for (dataplane §14 trap 16). */
export function resourcesOf(secret: WorkloadSecret, names: ResourceNames): ReadonlyMap<string, Buffer> {
  const codec = loadProto('sds-secret.proto').message<object>(
    'envoy.extensions.transport_sockets.tls.v3.Secret',
  )
  const inline = (pem: string) => ({ inline_bytes: Buffer.from(pem) })
  const bundle = codec.encode({
    name: names.bundle,
    validation_context: { trusted_ca: inline(secret.rootPem) },
  })
  const certificate = codec.encode({
    name: names.certificate,
    tls_certificate: {
      certificate_chain: inline(secret.certificateChain),
      private_key: inline(secret.privateKey),
    },
  })
  return new Map([
    [names.bundle, bundle],
    [names.certificate, certificate],
  ])
}
