/** The parts of Istio's MeshConfig this program obeys, with Istio's defaults, as an immutable value. */

import type { DecodedAuthorizer } from './extension-provider.ts'

export type PathNormalization = 'NONE' | 'BASE' | 'MERGE_SLASHES' | 'DECODE_AND_MERGE_SLASHES' | 'STRICT'

/** A CUSTOM action's provider: as written, so that it can be sent on, and as understood. */
export interface ExtensionProvider {
  readonly name: string
  readonly kind: 'envoyExtAuthzHttp' | 'envoyExtAuthzGrpc' | 'other'
  readonly settings: Readonly<Record<string, unknown>>
  /** Absent or null when it is no authorizer (kind `other`); not ok closes what its CUSTOM rules match (policy-semantics §9.1). */
  readonly authorizer?: DecodedAuthorizer | null
}

export interface MeshConfig {
  readonly trustDomain: string
  readonly trustDomainAliases: readonly string[]
  readonly rootNamespace: string
  /** DNS suffix of services, `cluster.local`. */
  readonly domain: string
  readonly pathNormalization: PathNormalization
  readonly outboundTrafficPolicy: 'ALLOW_ANY' | 'REGISTRY_ONLY'
  readonly enableAutoMtls: boolean
  /** Milliseconds; 0 = wait for the client's first bytes forever. */
  readonly protocolDetectionTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly extensionProviders: readonly ExtensionProvider[]
  readonly meshMtls: {
    readonly minProtocolVersion: 'TLSv1.2' | 'TLSv1.3'
    readonly cipherSuites: readonly string[]
  }
  readonly accessLogFile: string
}
