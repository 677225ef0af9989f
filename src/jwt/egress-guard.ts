/**
 * Which addresses key sets may be fetched from: everything but what no key server lives at and what attackers aim at,
 * that is link-local and cloud metadata addresses (policy-semantics §6.7). Loopback and private addresses are allowed:
 * identity providers inside the mesh have them.
 */
import { lookup as resolve, type LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { cidrContains, parseCidr } from '../address/cidr.ts'
import { parseIp } from '../address/ip.ts'

const refused = [
  // This host, link-local (with the metadata service of most clouds), multicast, reserved and broadcast.
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  'fe80::/10',
  'ff00::/8',
  // Metadata services outside the link-local range: Alibaba, Oracle (old), AWS over IPv6.
  '100.100.100.200/32',
  '192.0.0.192/32',
  'fd00:ec2::254/128',
  // Ways to write IPv4 addresses as IPv6 ones, which a gateway would turn back: NAT64, 6to4, IPv4-compatible.
  '64:ff9b::a9fe:0/112',
  '2002:a9fe::/32',
  '::a9fe:0/112',
].map((text) => parseCidr(text))

/** Text that is no address is refused too. */
export function mayFetchFrom(address: string): boolean {
  const ip = parseIp(address)
  if (ip === null) return false
  return refused.every((cidr) => cidr !== null && !cidrContains(cidr, ip))
}

/** The address a URL names outright (`127.0.0.1`, `[::1]`), or null when it has a name that must be looked up. */
export function literalAddress(url: URL): string | null {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return parseIp(host) === null ? null : host
}

/**
 * Looks a name up for the very connection that is about to be made, so that what was checked is what is dialled. One
 * refused address among several refuses the name: nobody honest mixes them.
 */
export const guardedLookup: LookupFunction = (hostname, options, done) => {
  resolve(hostname, { ...options, all: true }, (error, found) => {
    const addresses = found as readonly LookupAddress[] | undefined
    if (error !== null || addresses === undefined || addresses.length === 0) {
      done(error ?? new Error(`${hostname} has no address`), '', 0)
      return
    }
    const bad = addresses.find(({ address }) => !mayFetchFrom(address))
    const [first] = addresses
    if (bad !== undefined) done(new RefusedAddress(bad.address), '', 0)
    else if (options.all === true) done(null, [...addresses])
    else done(null, (first as LookupAddress).address, (first as LookupAddress).family)
  })
}

/** Travels through the HTTP client's error to whoever reports the failed fetch. */
export class RefusedAddress extends Error {
  constructor(address: string) {
    super(`keys are not fetched from ${address}`)
    this.name = 'RefusedAddress'
  }
}
