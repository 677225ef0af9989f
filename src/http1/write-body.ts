/**
 * Writes what stands around the data of a chunked body (RFC 9112 §7.1). The CRLF behind each chunk's data is its
 * caller's, who alone knows when the data is out.
 */
import { assertLength } from './unsafe-header.ts'
import { fieldLines } from './write-head.ts'

/** Only for lengths above 0 (else it throws): a chunk of 0 would end the body. */
export function chunkHead(length: number): string {
  assertLength(length)
  return `${length.toString(16)}\r\n`
}

/** The end of the body; `trailers` is a flat list: name, value, ... */
export function lastChunk(trailers: readonly string[] | null): string {
  return trailers === null || trailers.length === 0 ? '0\r\n\r\n' : `0\r\n${fieldLines(trailers)}\r\n`
}
