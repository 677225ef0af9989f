/**
 * How long a body is, by Content-Length and Transfer-Encoding (RFC 9112 §6). Whatever two readers might read in two ways
 * is refused; what the message's method or status adds is decided by request-head.ts and response-head.ts.
 */
import { Field } from './field-names.ts'
import type { FieldSection } from './field-section.ts'
import type { CodecRefusal } from './message.ts'
import { refusals } from './refusals.ts'

/** Neither field is there. */
export const NoLength = -1
/** `Transfer-Encoding: chunked`. */
export const ChunkedLength = -2

// 2^53 - 1 has 16 digits; leading zeros are legal but not without end.
const mostDigits = 16

/** The declared length, NoLength or ChunkedLength; or the refusal. */
export function declaredLength(
  section: FieldSection,
  headers: readonly string[],
  version: number,
): number | CodecRefusal {
  const hasLength = section.has(Field.ContentLength)
  if (section.has(Field.TransferEncoding)) {
    if (hasLength) return refusals.lengthAndTransferEncoding
    if (section.isRepeated(Field.TransferEncoding)) return refusals.repeatedTransferEncoding
    if (version === 10) return refusals.transferEncodingInHttp10
    if (section.isTabbed(Field.TransferEncoding)) return refusals.badTransferEncoding
    const value = section.first(headers, Field.TransferEncoding)
    return value === 'chunked' || value.toLowerCase() === 'chunked' ? ChunkedLength : codingFault(value)
  }
  if (!hasLength) return NoLength
  if (section.isRepeated(Field.ContentLength)) return refusals.repeatedContentLength
  if (section.isTabbed(Field.ContentLength)) return refusals.badContentLength
  const length = parseLength(section.first(headers, Field.ContentLength))
  return length < 0 ? refusals.badContentLength : length
}

/** Decimal digits only, at most 2^53 - 1; -1 for all else. */
function parseLength(text: string): number {
  if (text.length === 0 || text.length > mostDigits) return -1
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return -1
    length = length * 10 + digit
  }
  return length <= Number.MAX_SAFE_INTEGER ? length : -1
}

/** 501 for a list of codings we could have known, 400 when it is no such list or `chunked` is not its single end. */
function codingFault(value: string): CodecRefusal {
  const codings = value.toLowerCase().split(',')
  for (let i = 0; i < codings.length; i++) {
    const coding = (codings[i] as string).replace(/^[ \t]+|[ \t]+$/g, '')
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(coding)) return refusals.badTransferEncoding
    if (coding === 'chunked' && i < codings.length - 1) return refusals.badTransferEncoding
  }
  return refusals.unsupportedTransferCoding
}
