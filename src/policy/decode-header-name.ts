/** The name of a header as it can arrive in a request, in lower case; what may be done to which header is not asked. */
import { expected } from '../decode/decode-problem.ts'
import type { Path } from '../decode/decode-problem.ts'
import { nonEmptyString } from '../decode/decode.ts'

export function decodeHeaderName(input: unknown, at: Path): string {
  const name = nonEmptyString(input, at)
  // RFC 9110 §5.6.2 token: no other name can arrive.
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) throw expected('a header name', input, at)
  return name.toLowerCase()
}
