/**
 * A new `x-request-id`: a version 4 UUID (RFC 9562 §5.4) of the system's random bytes, which are fetched for many at a
 * time. It reads no request. `crypto.randomUUID` pastes its text from twenty pieces, which cost more later than to make.
 */
import { randomFillSync } from 'node:crypto'

const bytesEach = 16
const random = Buffer.allocUnsafeSlow(bytesEach * 128)
let at = random.length

const text = Buffer.from('00000000-0000-4000-8000-000000000000', 'latin1')
/** Where each of the 32 digits stands; the version's and the variant's are written again with what they must be. */
const places = Uint8Array.from(
  [...text.toString('latin1')].flatMap((character, place) => (character === '-' ? [] : [place])),
)
const digits = Buffer.from('0123456789abcdef', 'latin1')

export function newRequestId(): string {
  if (at === random.length) {
    randomFillSync(random)
    at = 0
  }
  for (let i = 0; i < bytesEach; i += 1) {
    const byte = random[at + i] as number
    text[places[2 * i] as number] = digits[byte >> 4] as number
    text[places[2 * i + 1] as number] = digits[byte & 15] as number
  }
  text[14] = 0x34
  text[19] = digits[8 | (((random[at + 8] as number) >> 4) & 3)] as number
  at += bytesEach
  return text.toString('latin1')
}
