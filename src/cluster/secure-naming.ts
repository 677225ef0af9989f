/**
 * Whether a server's certificate bears one of the names expected of it: exact comparison only. The names must come out
 * of a verified leaf; verifying it is not done here.
 */

/** No case folding, no prefixes, no wildcards; an empty expectation allows nobody (dataplane trap 10). */
export function nameAllowed(
  expected: readonly string[],
  uriNames: readonly string[],
  dnsNames: readonly string[],
): boolean {
  // Every URI has a colon and no DNS name has: a URI is never found among DNS names, nor the other way round.
  return expected.some((name) => (name.includes(':') ? uriNames : dnsNames).includes(name))
}
