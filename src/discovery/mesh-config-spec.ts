/**
 * The MeshConfig in force, written as Istio's own object again, so that it can be sent. It carries what sidecars obey
 * and nothing else; defaults are written out, for the receiver may have others.
 */
import type { ExtensionProvider, MeshConfig } from '../policy/mesh-config.ts'
import { encodeSpec } from './proto-json.ts'
import { meshConfigType } from './resource-type.ts'

type Plain = Readonly<Record<string, unknown>>

export function meshConfigSpec(mesh: MeshConfig): Plain {
  return {
    trustDomain: mesh.trustDomain,
    trustDomainAliases: mesh.trustDomainAliases,
    rootNamespace: mesh.rootNamespace,
    domain: mesh.domain,
    pathNormalization: { normalization: mesh.pathNormalization },
    outboundTrafficPolicy: { mode: mesh.outboundTrafficPolicy },
    enableAutoMtls: mesh.enableAutoMtls,
    protocolDetectionTimeout: seconds(mesh.protocolDetectionTimeoutMs),
    connectTimeout: seconds(mesh.connectTimeoutMs),
    // A provider that cannot be sent is absent: a policy that names it is then refused, not ignored.
    extensionProviders: mesh.extensionProviders.map(providerSpec).filter(sendable),
    meshMTLS: {
      minProtocolVersion: mesh.meshMtls.minProtocolVersion === 'TLSv1.3' ? 'TLSV1_3' : 'TLSV1_2',
      cipherSuites: mesh.meshMtls.cipherSuites,
    },
    accessLogFile: mesh.accessLogFile,
  }
}

function providerSpec({ name, kind, settings }: ExtensionProvider): Plain {
  return { name, [kind]: camelKeys(settings) }
}

function sendable(provider: Plain): boolean {
  return encodeSpec(meshConfigType, { extensionProviders: [provider] }).ok
}

/** MeshConfig files may spell fields as the .proto does; messages here have the JSON names only. */
function camelKeys(settings: Plain): Plain {
  const camel = (key: string) => key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [camel(key), value]))
}

function seconds(ms: number): string {
  return `${Number((ms / 1000).toFixed(9))}s`
}
