/**
 * RequestAuthentication as an immutable, structured-cloneable value (policy-semantics §6.1). Finding and verifying tokens
 * is the work of `jwt/`; where keys come from is said here, what they are is not.
 */
import type { LegacyScope } from './legacy-scope.ts'
import type { ResourceMeta, Selector } from './resource.ts'
import type { TriggerRule } from './trigger-rule.ts'

export interface HeaderLocation {
  /** Lower case. */
  readonly name: string
  /** Literal text before the token; '' when the whole value is the token. */
  readonly prefix: string
}

export interface ClaimToHeader {
  /** Lower case. */
  readonly header: string
  /** `a`, or `a.b` for a claim inside a claim. */
  readonly claim: string
}

/** Whether a request without a token of the rule may pass. */
export type Presence = 'OPTIONAL' | 'REQUIRED'

/** All empty: the default places (policy-semantics §6.3). */
export interface TokenLocations {
  readonly fromHeaders: readonly HeaderLocation[]
  readonly fromParams: readonly string[]
  readonly fromCookies: readonly string[]
}

export interface JwtRule extends TokenLocations {
  /** '' accepts every `iss`; such a rule always has a `jwksUri`. */
  readonly issuer: string
  readonly audiences: readonly string[]
  /** null: the inline set, or discovery by issuer. */
  readonly jwksUri: string | null
  /** Inline key set as written; null when keys are fetched. */
  readonly jwks: string | null
  /** Lower case, or null. */
  readonly outputPayloadToHeader: string | null
  readonly outputClaimToHeaders: readonly ClaimToHeader[]
  readonly forwardOriginalToken: boolean
  /** Claims split at blanks besides `scope` and `permission`. */
  readonly spaceDelimitedClaims: readonly string[]
  /** For one fetch of the key set. */
  readonly timeoutMs: number
  readonly presence: Presence
  /** Legacy origins only: paths on which the rule is asked; empty = on every path. */
  readonly triggers: readonly TriggerRule[]
}

/** Whose name is the request's principal: the peer's certificate or the token (policy-semantics §7). */
export type PrincipalBinding = 'USE_PEER' | 'USE_ORIGIN'

/** What a legacy policy says of its origins and a RequestAuthentication has no words for. */
export interface LegacyOrigins extends LegacyScope {
  /**
   * One of the rules that the path triggers must be satisfied; when it triggers none, nothing is demanded. A stub's
   * demand nothing satisfies.
   */
  readonly required: boolean
  readonly binding: PrincipalBinding
}

export interface RequestAuthentication {
  readonly meta: ResourceMeta
  readonly selector: Selector | null
  /** Attached by targetRefs, so not for sidecars (policy-semantics §4.1). */
  readonly targetsGateway: boolean
  readonly jwtRules: readonly JwtRule[]
  /** null for the modern kind. Legacy ones are not merged: the narrowest wins alone. */
  readonly legacy: LegacyOrigins | null
}
