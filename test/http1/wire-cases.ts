/**
 * Seeded random HTTP/1.1 connections, request and response side: valid messages, crooked ones, and either with bytes
 * changed at random. It knows no expected outcome; two readers are compared on it.
 */
import {
  methods,
  targets,
  versions,
  hosts,
  crookedLengths,
  codings,
  fields,
  crookedFields,
  connections,
  extensions,
  noise,
  statuses,
} from './wire-words.ts'

type Random = () => number

function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)] as T
}

/** Bytes as latin1 text: one to three messages on one connection. */
export function wireCase(random: Random, side: 'request' | 'response'): string {
  let wire = ''
  for (let n = 1 + Math.floor(random() * 3); n > 0; n--) wire += message(random, side, random() < 0.35)
  if (random() < 0.5) return wire
  for (let n = 1 + Math.floor(random() * 2); n > 0; n--) wire = mutate(random, wire)
  return wire
}

function message(random: Random, side: 'request' | 'response', crooked: boolean): string {
  const odd = (chance: number): boolean => crooked && random() < chance
  const eol = (): string => (odd(0.02) ? pick(random, ['\n', '\r', '\r\r\n', '\n\r', '\r\n ']) : '\r\n')
  let version = odd(0.3) ? pick(random, versions) : 'HTTP/1.1'
  if (!crooked && random() < 0.05) version = 'HTTP/1.0'
  const lines: string[] = []
  if (side === 'request') {
    const method = crooked ? pick(random, methods) : pick(random, methods.slice(0, 5))
    lines.push(`${method} ${odd(0.4) ? pick(random, targets) : '/a?b'} ${version}`)
    if (!odd(0.1)) lines.push(`Host: ${odd(0.1) ? pick(random, hosts) : 'h.test'}`)
    if (odd(0.03)) lines.push('host: h.test')
  } else lines.push(`${version} ${crooked ? pick(random, statuses) : pick(random, statuses.slice(0, 6))}`)
  for (let n = Math.floor(random() * 4); n > 0; n--)
    lines.push(odd(0.12) ? pick(random, crookedFields) : pick(random, fields))
  if (random() < 0.15) lines.push(`Connection: ${pick(random, connections)}`)
  if (random() < 0.04) lines.push('Upgrade: websocket')
  const data = pick(random, [
    '',
    'abc',
    '0\r\n\r\n',
    'GET /x HTTP/1.1\r\nHost: b\r\n\r\n',
    'HTTP/1.1 200 OK\r\n\r\n',
  ])
  const framing: string[] = []
  let body = ''
  const kind = random()
  if (kind < 0.35) {
    framing.push(`Content-Length: ${odd(0.4) ? pick(random, crookedLengths) : data.length}`)
    if (odd(0.15)) framing.push(`Content-Length: ${pick(random, [String(data.length), '0', '5'])}`)
    body = data
  } else if (kind < 0.7) {
    framing.push(`Transfer-Encoding: ${odd(0.4) ? pick(random, codings) : 'chunked'}`)
    if (odd(0.1)) framing.push(`Transfer-Encoding: ${pick(random, codings)}`)
    body = chunks(random, data, odd)
  }
  if (odd(0.12))
    framing.push(random() < 0.5 ? `Content-Length: ${data.length}` : 'Transfer-Encoding: chunked')
  if (random() < 0.5) framing.reverse()
  lines.splice(1 + Math.floor(random() * lines.length), 0, ...framing)
  let wire = odd(0.05) ? pick(random, ['\r\n', '\n', '\r\n\r\n', ' ', '\r']) : ''
  for (const line of lines) wire += line + eol()
  return wire + eol() + body
}

function chunks(random: Random, data: string, odd: (chance: number) => boolean): string {
  const eol = (): string => (odd(0.06) ? pick(random, ['\n', '\r', '', 'x\r\n', '\r\r\n']) : '\r\n')
  const extension = (): string => (odd(0.3) ? pick(random, extensions) : '')
  let wire = ''
  let rest = data
  while (rest.length > 0) {
    const size = 1 + Math.floor(random() * rest.length)
    let digits = size.toString(16)
    if (odd(0.15))
      digits = pick(random, [
        '0' + digits,
        digits.toUpperCase(),
        '0x' + digits,
        '+' + digits,
        ' ' + digits,
        digits + ' ',
        '000000000000' + digits,
        '1000000000000000' + digits,
      ])
    wire += digits + extension() + eol() + rest.slice(0, size) + eol()
    rest = rest.slice(size)
  }
  wire += (odd(0.1) ? '000' : '0') + extension() + eol()
  if (random() < 0.2)
    wire +=
      (odd(0.4)
        ? pick(random, [...crookedFields, 'Content-Length: 3', 'Transfer-Encoding: chunked', 'Cookie: a'])
        : 'X-Sum: 1') + eol()
  return wire + eol()
}

function mutate(random: Random, wire: string): string {
  const at = Math.floor(random() * (wire.length + 1))
  const kind = random()
  if (kind < 0.3) return wire.slice(0, at) + pick(random, noise) + wire.slice(at)
  if (kind < 0.55) return wire.slice(0, at) + wire.slice(at + 1)
  if (kind < 0.85) return wire.slice(0, at) + pick(random, noise) + wire.slice(at + 1)
  if (kind < 0.92) return wire.slice(0, at)
  const end = at + Math.floor(random() * 20)
  return wire.slice(0, end) + wire.slice(at)
}
