/**
 * IP addresses as four 32-bit words, with text only at the edge. It knows no ports, no names and no zones: IPv4-mapped
 * IPv6 is IPv4 here (dataplane trap 40), so that one peer has one spelling in every policy.
 */
export interface Ip {
  readonly family: 4 | 6
  readonly a: number
  readonly b: number
  readonly c: number
  readonly d: number
}

// 45 is the longest IPv6 text (mixed notation), the rest a zone of interface-name length.
const longestText = 45 + 1 + 32

/**
 * Reads dotted IPv4 or RFC 4291 §2.2 IPv6 text; null for anything else. Leading zeros, hex or short IPv4 forms are
 * refused because resolvers disagree about them; a zone (`%eth0`) is accepted after IPv6 and dropped.
 */
export function parseIp(text: string): Ip | null {
  if (text.length < 2 || text.length > longestText) return null
  let end = text.length
  let colon = false
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === 58) colon = true
    else if (c === 37) {
      if (!isZone(text, i + 1)) return null
      end = i
      break
    }
  }
  if (colon) return parseIpv6(text, end)
  if (end !== text.length) return null
  const word = parseIpv4(text, 0, end)
  return word < 0 ? null : { family: 4, a: 0, b: 0, c: 0, d: word }
}

/** Canonical text: dotted decimal, or RFC 5952 (lower case, the longest run of two or more zero groups as `::`). */
export function formatIp(ip: Ip): string {
  if (ip.family === 4) return `${ip.d >>> 24}.${(ip.d >>> 16) & 255}.${(ip.d >>> 8) & 255}.${ip.d & 255}`
  const words = [
    ip.a >>> 16,
    ip.a & 0xffff,
    ip.b >>> 16,
    ip.b & 0xffff,
    ip.c >>> 16,
    ip.c & 0xffff,
    ip.d >>> 16,
    ip.d & 0xffff,
  ]
  let bestStart = -1
  let bestLength = 1
  for (let i = 0; i < 8; i++) {
    let j = i
    while (j < 8 && words[j] === 0) j++
    if (j - i > bestLength) {
      bestStart = i
      bestLength = j - i
    }
    if (j > i) i = j
  }
  const hex = words.map((word) => word.toString(16))
  if (bestStart < 0) return hex.join(':')
  return `${hex.slice(0, bestStart).join(':')}::${hex.slice(bestStart + bestLength).join(':')}`
}

/** True when both are the same address; families never mix. */
export function sameIp(x: Ip, y: Ip): boolean {
  return x.d === y.d && x.c === y.c && x.b === y.b && x.a === y.a && x.family === y.family
}

/** The 32-bit value of `text[start, end)`, or -1. */
function parseIpv4(text: string, start: number, end: number): number {
  let word = 0
  let octets = 0
  let octet = -1
  for (let i = start; i <= end; i++) {
    const c = i === end ? 46 : text.charCodeAt(i)
    if (c === 46) {
      if (octet < 0 || octets === 4) return -1
      word = word * 256 + octet
      octets++
      octet = -1
    } else if (c >= 48 && c <= 57) {
      if (octet === 0) return -1
      octet = octet < 0 ? c - 48 : octet * 10 + c - 48
      if (octet > 255) return -1
    } else return -1
  }
  return octets === 4 ? word : -1
}

// Scratch of the parser below: it never yields while using it.
const groups = new Uint16Array(8)

function parseIpv6(text: string, end: number): Ip | null {
  let count = 0
  let gap = -1
  let i = 0
  if (text.charCodeAt(0) === 58) {
    if (end < 2 || text.charCodeAt(1) !== 58) return null
    gap = 0
    i = 2
  }
  while (i < end) {
    if (count === 8) return null
    let value = 0
    const start = i
    while (i < end) {
      const digit = hexDigit(text.charCodeAt(i))
      if (digit < 0) break
      value = value * 16 + digit
      i++
    }
    if (i < end && text.charCodeAt(i) === 46) {
      const word = count > 6 ? -1 : parseIpv4(text, start, end)
      if (word < 0) return null
      groups[count++] = word >>> 16
      groups[count++] = word & 0xffff
      break
    }
    if (i === start || i - start > 4) return null
    groups[count++] = value
    if (i === end) break
    if (text.charCodeAt(i) !== 58 || ++i === end) return null
    if (text.charCodeAt(i) === 58) {
      if (gap >= 0) return null
      gap = count
      i++
    }
  }
  // `::` stands for at least one group here: eight written groups leave nothing for it to mean.
  if (gap < 0 ? count !== 8 : count === 8) return null
  if (gap >= 0) {
    groups.copyWithin(8 - (count - gap), gap, count)
    groups.fill(0, gap, 8 - (count - gap))
  }
  const a = wordAt(0)
  const b = wordAt(2)
  const c = wordAt(4)
  const d = wordAt(6)
  if (a === 0 && b === 0 && c === 0xffff) return { family: 4, a: 0, b: 0, c: 0, d }
  return { family: 6, a, b, c, d }
}

function wordAt(i: number): number {
  return (groups[i] as number) * 65536 + (groups[i + 1] as number)
}

function hexDigit(c: number): number {
  if (c >= 48 && c <= 57) return c - 48
  const lower = c | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}

function isZone(text: string, start: number): boolean {
  if (start === text.length) return false
  for (let i = start; i < text.length; i++) {
    const c = text.charCodeAt(i)
    const lower = c | 32
    if (!((c >= 48 && c <= 57) || (lower >= 97 && lower <= 122) || c === 45 || c === 46 || c === 95))
      return false
  }
  return true
}
