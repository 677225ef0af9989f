/**
 * An IP address with a port, as text on one side and as two fields on the other. It never holds a host name: what needs
 * resolving is not an address yet.
 */
import { formatIp, parseIp } from './ip.ts'

export interface SocketAddress {
  /** Canonical text of `formatIp`. */
  readonly address: string
  /** 0–65535; 0 asks the kernel to choose. */
  readonly port: number
}

/** Reads `1.2.3.4:80` or `[::1]:80`; null for anything else, an unbracketed IPv6 address included. */
export function parseSocketAddress(text: string): SocketAddress | null {
  const bracketed = text.charCodeAt(0) === 91
  const colon = text.lastIndexOf(':')
  if (colon < 0 || (bracketed && text.charCodeAt(colon - 1) !== 93)) return null
  const inside = bracketed ? text.slice(1, colon - 1) : text.slice(0, colon)
  if (inside.includes(':') !== bracketed) return null
  const ip = parseIp(inside)
  const port = parsePort(text.slice(colon + 1))
  return ip === null || port === null ? null : { address: formatIp(ip), port }
}

/** The form `parseSocketAddress` reads: IPv6 in brackets. */
export function formatSocketAddress(socket: SocketAddress): string {
  return socket.address.includes(':')
    ? `[${socket.address}]:${socket.port}`
    : `${socket.address}:${socket.port}`
}

/** Decimal 0–65535 without sign, blank or leading zero; null for anything else. */
export function parsePort(text: string): number | null {
  if (text.length < 1 || text.length > 5 || (text.length > 1 && text.charCodeAt(0) === 48)) return null
  let port = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c < 48 || c > 57) return null
    port = port * 10 + c - 48
  }
  return port <= 65535 ? port : null
}
