/**
 * What is left of a token once it is verified: its identity for policy and the headers it yields for the application
 * (policy-semantics §1.5, §6.6). It verifies nothing.
 */
import type { RequestToken } from '../authz/request-token.ts'
import type { JwtRule } from '../policy/request-authentication.ts'
import { claimText } from './claim-text.ts'
import type { Token } from './token.ts'

export interface VerifiedToken {
  readonly token: RequestToken
  /** Flat list: what the rule's outputs add to the request. */
  readonly outputs: readonly string[]
  /** Seconds since the epoch, as the token says; null = no such limit. */
  readonly notBefore: number | null
  readonly expires: number | null
}

export function verifiedToken(token: Token, rule: JwtRule): VerifiedToken {
  const { issuer, subject, notBefore, expires } = token
  return {
    token: {
      issuer,
      subject,
      principal: issuer === '' || subject === '' ? '' : `${issuer}/${subject}`,
      claims: splitClaims(token.claims, rule.spaceDelimitedClaims),
    },
    outputs: outputHeaders(token, rule),
    notBefore,
    expires,
  }
}

const alwaysSplit = ['scope', 'permission']

/** The list replaces the text: `read write` can no longer be matched as one. */
function splitClaims(
  claims: Readonly<Record<string, unknown>>,
  more: readonly string[],
): Readonly<Record<string, unknown>> {
  const split = { ...claims }
  for (const name of [...alwaysSplit, ...more]) {
    if (!Object.hasOwn(split, name)) continue
    const value = split[name]
    if (typeof value === 'string') split[name] = value.split(' ').filter((piece) => piece !== '')
  }
  return split
}

function outputHeaders(token: Token, rule: JwtRule): string[] {
  const headers: string[] = []
  if (rule.outputPayloadToHeader !== null) headers.push(rule.outputPayloadToHeader, token.payloadSegment)
  for (const { header, claim } of rule.outputClaimToHeaders) {
    const text = claimText(token.claims, claim)
    if (text !== null) headers.push(header, text)
  }
  return headers
}
