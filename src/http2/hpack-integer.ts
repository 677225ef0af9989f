/**
 * Writes HPACK's integers (RFC 7541 §5.1): a prefix of some bits, then seven bits a byte. What a number means is the
 * caller's; reading them is `BlockReader`'s.
 */

/** The most bytes that a number below 2^31 takes. */
export const mostIntegerBytes = 6

/** Writes at `at`; `head` holds the bits above the prefix, `mask` is the prefix full. The position behind the number. */
export function writeInteger(to: Uint8Array, at: number, head: number, mask: number, value: number): number {
  let next = at
  if (value < mask) {
    to[next++] = head | value
    return next
  }
  to[next++] = head | mask
  let rest = value - mask
  while (rest >= 0x80) {
    to[next++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  to[next++] = rest
  return next
}
