/**
 * Istio's MeshConfig, unknown to typed: what this program obeys, with Istio's defaults. Fields of Istio that it does not
 * obey are named as not evaluated; fields that Istio does not have are refused.
 */
import { DecodeProblem, expected, member } from '../decode/decode-problem.ts'
import type { Path } from '../decode/decode-problem.ts'
import {
  boolean,
  items,
  list,
  map,
  nonEmptyString,
  oneOf,
  optional,
  record,
  required,
  string,
} from '../decode/decode.ts'
import type { Decoder } from '../decode/decode.ts'
import { duration } from '../decode/duration.ts'
import { isTrustDomain } from '../spiffe/trust-domain.ts'
import { decodeAuthorizer } from './extension-provider.ts'
import type { ExtensionProvider, MeshConfig } from './mesh-config.ts'
import { dnsLabel, dnsName } from './names.ts'

export const defaultMeshConfig: MeshConfig = {
  trustDomain: 'cluster.local',
  trustDomainAliases: [],
  rootNamespace: 'istio-system',
  domain: 'cluster.local',
  pathNormalization: 'BASE',
  outboundTrafficPolicy: 'ALLOW_ANY',
  enableAutoMtls: true,
  // Istio's own default: it waits for the client's first bytes without end.
  protocolDetectionTimeoutMs: 0,
  connectTimeoutMs: 10_000,
  extensionProviders: [],
  meshMtls: { minProtocolVersion: 'TLSv1.2', cipherSuites: [] },
  accessLogFile: '',
}

const obeyed = [
  'trustDomain',
  'trustDomainAliases',
  'rootNamespace',
  // Not in Istio's MeshConfig (there it is a flag of the control plane); accepted so that a folder can say it.
  'domain',
  'pathNormalization',
  'outboundTrafficPolicy',
  'enableAutoMtls',
  'protocolDetectionTimeout',
  'connectTimeout',
  'extensionProviders',
  'meshMTLS',
  'accessLogFile',
]

/** Known to Istio, without effect here. */
const unobeyed = (
  'proxyListenPort proxyInboundListenPort proxyHttpPort hboneIdleTimeout tcpKeepalive ingressClass ingressService ' +
  'ingressControllerMode ingressSelector enableTracing accessLogFormat accessLogEncoding enableEnvoyAccessLogService ' +
  'disableEnvoyListenerLog defaultConfig inboundTrafficPolicy configSources caCertificates defaultServiceExportTo ' +
  'defaultVirtualServiceExportTo defaultDestinationRuleExportTo localityLbSetting zoneAwareLbSetting dnsRefreshRate ' +
  'h2UpgradePolicy inboundClusterStatName outboundClusterStatName certificates serviceSettings serviceScopeConfigs ' +
  'enablePrometheusMerge verifyCertificateAtClient ca defaultProviders discoverySelectors defaultHttpRetryPolicy ' +
  'tlsDefaults defaultTrafficPolicy serviceEntryVisibility'
).split(' ')

export interface DecodedMeshConfig {
  readonly value: MeshConfig
  /** Paths of Istio settings that were accepted and have no effect here. */
  readonly notEvaluated: readonly string[]
}

/** Throws a DecodeProblem: within this room only. */
export function decodeMeshConfig(input: unknown, at: Path): DecodedMeshConfig {
  const fields = record(input, at, [...obeyed, ...unobeyed])
  const notEvaluated = unobeyed.filter((key) => fields.has(key)).map((key) => member(at, key))
  const or = <T>(key: string, decode: Decoder<T>, otherwise: T): T =>
    optional(fields, key, at, decode) ?? otherwise
  const usual = defaultMeshConfig
  return {
    notEvaluated,
    value: {
      trustDomain: or('trustDomain', trustDomain, usual.trustDomain),
      trustDomainAliases: or('trustDomainAliases', list(trustDomain), []),
      rootNamespace: or('rootNamespace', dnsLabel, usual.rootNamespace),
      domain: or('domain', dnsName, usual.domain),
      pathNormalization: or('pathNormalization', pathNormalization, usual.pathNormalization),
      outboundTrafficPolicy: or('outboundTrafficPolicy', outbound, usual.outboundTrafficPolicy),
      enableAutoMtls: or('enableAutoMtls', boolean, usual.enableAutoMtls),
      protocolDetectionTimeoutMs: or('protocolDetectionTimeout', duration, usual.protocolDetectionTimeoutMs),
      connectTimeoutMs: or('connectTimeout', connectTimeout, usual.connectTimeoutMs),
      extensionProviders: providers(items(fields, 'extensionProviders', at, provider), at),
      meshMtls: or('meshMTLS', meshMtls(notEvaluated), usual.meshMtls),
      accessLogFile: or('accessLogFile', string, usual.accessLogFile),
    },
  }
}

function trustDomain(input: unknown, at: Path): string {
  const text = string(input, at)
  if (!isTrustDomain(text)) throw expected('a trust domain (a-z, 0-9, ".", "-", "_")', input, at)
  return text
}

function connectTimeout(input: unknown, at: Path): number {
  const ms = duration(input, at)
  // Zero has no sensible meaning as a time to connect in.
  if (ms < 1) throw expected('a duration of at least "1ms"', input, at)
  return ms
}

function pathNormalization(input: unknown, at: Path): MeshConfig['pathNormalization'] {
  const modes = ['DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES', 'STRICT'] as const
  const mode = optional(record(input, at, ['normalization']), 'normalization', at, oneOf(modes)) ?? 'DEFAULT'
  return mode === 'DEFAULT' ? 'BASE' : mode
}

function outbound(input: unknown, at: Path): MeshConfig['outboundTrafficPolicy'] {
  // A policy object without mode is protobuf's zero value: REGISTRY_ONLY.
  return (
    optional(record(input, at, ['mode']), 'mode', at, oneOf(['REGISTRY_ONLY', 'ALLOW_ANY'])) ??
    'REGISTRY_ONLY'
  )
}

const meshMtls =
  (notEvaluated: string[]): Decoder<MeshConfig['meshMtls']> =>
  (input, at) => {
    const fields = record(input, at, ['minProtocolVersion', 'cipherSuites', 'ecdhCurves'])
    if (fields.has('ecdhCurves')) notEvaluated.push(`${at}.ecdhCurves`)
    const least = optional(fields, 'minProtocolVersion', at, oneOf(['TLS_AUTO', 'TLSV1_2', 'TLSV1_3']))
    return {
      minProtocolVersion: least === 'TLSV1_3' ? 'TLSv1.3' : 'TLSv1.2',
      cipherSuites: items(fields, 'cipherSuites', at, nonEmptyString),
    }
  }

const provider: Decoder<ExtensionProvider> = (input, at) => {
  const object = map(input, at)
  const name = required(record({ name: object['name'] }, at, ['name']), 'name', at, nonEmptyString)
  const kinds = Object.keys(object).filter((key) => key !== 'name' && object[key] !== null)
  if (kinds.length !== 1)
    throw new DecodeProblem(at, `expected name and exactly one provider, found ${kinds.length}`)
  const [key = ''] = kinds
  const camel = key.replace(/_([a-z])/g, (_, next: string) => next.toUpperCase())
  const kind = camel === 'envoyExtAuthzHttp' || camel === 'envoyExtAuthzGrpc' ? camel : 'other'
  const where = member(at, key)
  const settings = map(object[key], where)
  const spoken = kind === 'envoyExtAuthzHttp' ? 'http' : 'grpc'
  const authorizer = kind === 'other' ? null : decodeAuthorizer(spoken, settings, where)
  return { name, kind, settings, authorizer }
}

function providers(all: readonly ExtensionProvider[], at: Path): readonly ExtensionProvider[] {
  all.forEach(({ name }, index) => {
    if (all.findIndex((other) => other.name === name) === index) return
    throw new DecodeProblem(`${member(at, 'extensionProviders')}[${index}].name`, `"${name}" is given twice`)
  })
  return all
}
