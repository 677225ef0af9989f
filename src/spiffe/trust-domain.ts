/**
 * The grammar of a SPIFFE trust domain name, byte by byte. It does not know which domains are trusted: that is
 * `identity/`.
 */

/** Bytes a trust domain may have (SPIFFE-ID §2.1). */
export const longestTrustDomain = 255

/** True for 1–255 bytes of `a-z 0-9 . - _`, already lower case (dataplane §5.1). */
export function isTrustDomain(text: string): boolean {
  if (text.length === 0 || text.length > longestTrustDomain) return false
  for (let i = 0; i < text.length; i++) {
    if (!isTrustDomainByte(text.charCodeAt(i))) return false
  }
  return true
}

function isTrustDomainByte(c: number): boolean {
  return (c >= 97 && c <= 122) || (c >= 48 && c <= 57) || c === 45 || c === 46 || c === 95
}
