/**
 * A payload somebody says is verified, as the outcome the token verifier would have had for it. It verifies nothing and
 * belongs to questions alone: no request of the proxy comes this way.
 */
import type { BearerRequest, Outcome } from '../../jwt/bearer-request.ts'
import type { RequestAuthenticationVerifier } from '../../jwt/request-authentication-verifier.ts'
import { verifiedToken } from '../../jwt/verified-token.ts'
import type { JwtRule, RequestAuthentication } from '../../policy/request-authentication.ts'

/** The rule of the payload's issuer says which claims are lists and which become headers. */
export function claimedToken(
  claims: Readonly<Record<string, unknown>>,
  authentications: readonly RequestAuthentication[],
  tokens: RequestAuthenticationVerifier,
  request: BearerRequest,
): Outcome {
  const rules = authentications.flatMap(({ jwtRules }) => jwtRules)
  const issuer = textOf(claims, 'iss')
  const audience = Object.hasOwn(claims, 'aud') ? claims['aud'] : []
  const listed: readonly unknown[] = Array.isArray(audience) ? audience : [audience]
  const rule = rules.find((one) => one.issuer === issuer) ?? noRule
  const verified = verifiedToken(
    {
      raw: '',
      algorithm: '',
      keyId: '',
      critical: false,
      payloadSegment: Buffer.from(JSON.stringify(claims)).toString('base64url'),
      claims,
      issuer,
      subject: textOf(claims, 'sub'),
      audiences: listed.filter((entry) => typeof entry === 'string'),
      notBefore: null,
      expires: null,
    },
    rule,
  )
  const { target } = request
  const assumed = tokens.assume(request, issuer, verified)
  if (assumed !== null) return assumed
  const { token, outputs } = verified
  const scrubbed = rules.flatMap(({ outputPayloadToHeader, outputClaimToHeaders }) => [
    ...(outputPayloadToHeader === null ? [] : [outputPayloadToHeader]),
    ...outputClaimToHeaders.map(({ header }) => header),
  ])
  return { ok: true, token, edits: { removeHeaders: scrubbed, addHeaders: outputs, target } }
}

function textOf(claims: Readonly<Record<string, unknown>>, name: string): string {
  const value = Object.hasOwn(claims, name) ? claims[name] : ''
  return typeof value === 'string' ? value : ''
}

const noRule: JwtRule = {
  issuer: '',
  audiences: [],
  jwksUri: null,
  jwks: null,
  outputPayloadToHeader: null,
  outputClaimToHeaders: [],
  fromHeaders: [],
  fromParams: [],
  fromCookies: [],
  forwardOriginalToken: false,
  spaceDelimitedClaims: [],
  timeoutMs: 0,
  presence: 'OPTIONAL',
  triggers: [],
}
