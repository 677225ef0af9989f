/**
 * A range of addresses: a masked network and a prefix length, compared with shifts. It is not a set of ranges; whoever
 * has many keeps an array or an index of its own.
 */
import { parseIp, type Ip } from './ip.ts'

export interface Cidr {
  /** Host bits are zero. */
  readonly network: Ip
  /** Prefix length in bits of the network's own family: 0–32 or 0–128. */
  readonly length: number
}

/**
 * Reads `10.0.0.0/8`, `2001:db8::/32` or a bare address; null for anything else. Host bits are allowed and cleared. A
 * mapped range becomes the IPv4 range it means; one wider than all of IPv4 (`::ffff:0:0/90`) mixes families and is
 * refused, and so is a zone.
 */
export function parseCidr(text: string): Cidr | null {
  if (text.includes('%')) return null
  const slash = text.indexOf('/')
  const address = slash < 0 ? text : text.slice(0, slash)
  const ip = parseIp(address)
  if (ip === null) return null
  const bits = ip.family === 4 ? 32 : 128
  if (slash < 0) return { network: ip, length: bits }
  // Only mapped text has a colon and family 4.
  const mapped = ip.family === 4 && address.includes(':')
  const written = parseLength(text, slash + 1)
  const length = mapped ? written - 96 : written
  if (length < 0 || length > bits) return null
  return { network: mask(ip, length), length }
}

/** True when `ip` lies in the range. An IPv4 address is in no IPv6 range, not even `::/0`, and the other way round. */
export function cidrContains(cidr: Cidr, ip: Ip): boolean {
  const network = cidr.network
  const length = cidr.length
  if (network.family !== ip.family) return false
  if (network.family === 4) return samePrefix(network.d, ip.d, length)
  if (length <= 32) return samePrefix(network.a, ip.a, length)
  if (network.a !== ip.a) return false
  if (length <= 64) return samePrefix(network.b, ip.b, length - 32)
  if (network.b !== ip.b) return false
  if (length <= 96) return samePrefix(network.c, ip.c, length - 64)
  return network.c === ip.c && samePrefix(network.d, ip.d, length - 96)
}

// A shift by 32 is a shift by none in this language, hence the case of zero bits.
function samePrefix(x: number, y: number, bits: number): boolean {
  return bits === 0 || (x ^ y) >>> (32 - bits) === 0
}

function mask(ip: Ip, length: number): Ip {
  if (ip.family === 4) return { family: 4, a: 0, b: 0, c: 0, d: keep(ip.d, length) }
  return {
    family: 6,
    a: keep(ip.a, length),
    b: keep(ip.b, length - 32),
    c: keep(ip.c, length - 64),
    d: keep(ip.d, length - 96),
  }
}

function keep(word: number, bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? word : (word & (-1 << (32 - bits))) >>> 0
}

/** Decimal without sign or leading zero, or a number below every valid one. */
function parseLength(text: string, start: number): number {
  const digits = text.length - start
  if (digits < 1 || digits > 3) return -1
  let value = 0
  for (let i = start; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c < 48 || c > 57 || (c === 48 && i === start && digits > 1)) return -1
    value = value * 10 + c - 48
  }
  return value
}
