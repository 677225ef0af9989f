/**
 * What policy may know of a verified end-user token; made by `jwt/`, judged by `authz/`. It holds no signature and no
 * raw token, so that nothing which logs a context can leak one.
 */
export interface RequestToken {
  /** '' when the token has none, and where the principal is the peer's. */
  readonly issuer: string
  /** '' when the token has none, and where the principal is the peer's. */
  readonly subject: string
  /**
   * `iss/sub`, or '' when either is missing: then there is no request principal (policy-semantics §1.5). A legacy policy
   * may bind it to the peer instead (§7): then it is that identity without `spiffe://`, there are no halves to ask, and
   * patterns are asked of the whole.
   */
  readonly principal: string
  /** The verified payload; space-delimited claims are lists already (policy-semantics §1.5). */
  readonly claims: Readonly<Record<string, unknown>>
}
