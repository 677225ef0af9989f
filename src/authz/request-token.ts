/**
 * What policy may know of a verified end-user token; made by `jwt/`, judged by `authz/`. It holds no signature and no
 * raw token, so that nothing which logs a context can leak one.
 */
export interface RequestToken {
  readonly issuer: string
  /** '' when the token has none. */
  readonly subject: string
  /** `iss/sub`, or '' when either is missing: then there is no request principal (policy-semantics §1.5). */
  readonly principal: string
  /** The verified payload; space-delimited claims are lists already (policy-semantics §1.5). */
  readonly claims: Readonly<Record<string, unknown>>
}
