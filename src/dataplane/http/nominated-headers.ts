/**
 * Header fields that a `Connection` field declares hop-by-hop (RFC 9110 §7.6.1) and which of them a peer may so remove.
 * It is the answer to CVE-2022-31813: what later hops trust cannot be nominated away; such a nomination is ignored.
 */

/**
 * Fields that stay although nominated: a field that identity, authorization, routing, framing or audit depend on. Keeping
 * one more field end to end is harmless; dropping one may hide what policy had just judged.
 */
const protectedNames = new Set(
  (
    'host authorization proxy-authorization cookie set-cookie date server via forwarded origin referer user-agent expect ' +
    'content-length content-type content-encoding content-range content-md5 content-digest digest transfer-encoding ' +
    'trailer cache-control pragma vary range location www-authenticate access-control-request-method ' +
    'x-request-id x-real-ip x-client-ip true-client-ip cf-connecting-ip traceparent tracestate baggage b3 ' +
    'strict-transport-security content-security-policy x-frame-options x-content-type-options'
  ).split(' '),
)
const protectedPrefixes = [
  'x-forwarded-',
  'x-envoy-',
  'x-b3-',
  'x-auth',
  'x-jwt',
  'if-',
  'accept',
  'grpc-',
  'sec-',
]

/** The removable names in one `connection` value, joined to those found before; null when there are none. */
export function nominated(value: string, before: ReadonlySet<string> | null): ReadonlySet<string> | null {
  // What nearly every request says.
  if (value === 'keep-alive' || value === 'close' || value === 'Upgrade' || value === 'upgrade') return before
  let names: Set<string> | null = null
  for (const item of value.split(',')) {
    const name = item.trim().toLowerCase()
    if (
      name === '' ||
      protectedNames.has(name) ||
      protectedPrefixes.some((prefix) => name.startsWith(prefix))
    )
      continue
    names ??= new Set(before)
    names.add(name)
  }
  return names ?? before
}

/** Run before our own fields are added, so that none of those can be nominated away. */
export function withoutNominated(headers: readonly string[], drop: ReadonlySet<string>): string[] {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    // `te: trailers` must be nominated by its sender, and has been reduced to that one meaning already.
    if (name === 'te' || !drop.has(name)) kept.push(name, headers[i + 1] as string)
  }
  return kept
}
