/**
 * The error of writers that were handed text no head may contain, and the checks that raise it. It is a fault of our own
 * code, never of a peer: parsers refuse such bytes long before.
 */
import { MeshError } from '../error.ts'

export type Http1WriteErrorCode = 'ERR_HTTP1_UNSAFE_HEADER'

export class Http1WriteError extends MeshError<Http1WriteErrorCode> {}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
// Everything beyond latin1 would be cut to its low byte on the wire, where a line break may hide.
const badInValue = /[^\t\x20-\x7e\x80-\xff]/
const badInTarget = /[^\x21-\x7e]/

/** The name is not quoted in the message as it may be anything. */
export function assertName(name: string): void {
  if (!token.test(name)) throw unsafe('a field or method name that is no token')
}

export function assertValue(value: string): void {
  if (badInValue.test(value)) throw unsafe('a field value or reason with a control or non-latin1 character')
}

export function assertTarget(target: string): void {
  if (target === '' || badInTarget.test(target))
    throw unsafe('a request target with a blank, control or non-ASCII character')
}

export function assertLength(length: number): void {
  if (!(length > 0)) throw unsafe('a chunk of no length, which would end the body')
}

function unsafe(what: string): Http1WriteError {
  return new Http1WriteError(
    'ERR_HTTP1_UNSAFE_HEADER',
    `refused to write ${what}`,
    'report it: heads are checked on arrival',
  )
}
