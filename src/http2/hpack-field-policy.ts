/**
 * Which fields the encoder must not or need not remember, by name. It is a head start: what it does not name the encoder
 * learns from how often values come back.
 */

export const Remember = {
  /** Never, on this leg or any after it: the size of a block must tell nothing about the value (RFC 7541 §7.1). */
  Secret: 0,
  /** Another value each time: only the name is worth an entry. */
  NameOnly: 1,
  /** As long as values come back. */
  Learned: 2,
} as const
export type Remember = (typeof Remember)[keyof typeof Remember]

const secret = (
  'authorization cookie set-cookie proxy-authorization x-api-key api-key x-auth-token x-access-token ' +
  'x-csrf-token x-xsrf-token x-amz-security-token'
).split(' ')

const nameOnly = (
  'x-request-id traceparent x-b3-traceid x-b3-spanid x-b3-parentspanid b3 x-cloud-trace-context x-amzn-trace-id ' +
  'x-correlation-id x-ot-span-context'
).split(' ')

const known = new Map<string, Remember>([
  ...secret.map((name) => [name, Remember.Secret] as const),
  ...nameOnly.map((name) => [name, Remember.NameOnly] as const),
])

export const policyNames: readonly string[] = [...known.keys()]

export function rememberOf(name: string): Remember {
  return known.get(name) ?? Remember.Learned
}
