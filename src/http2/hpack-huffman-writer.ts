/**
 * Writes text in HPACK's Huffman code (RFC 7541 §5.2) and says how long it would be. Whether that is worth it is the
 * encoder's to judge.
 */
import { codeBits, codes } from './hpack-huffman-code.ts'

/** Bytes that `text` takes when coded; every character must be below 256. */
export function huffmanBytes(text: string): number {
  let bits = 0
  for (let i = 0; i < text.length; i++) bits += codeBits[text.charCodeAt(i)] as number
  return (bits + 7) >>> 3
}

/** Writes `text` coded at `at`; the position behind it. */
export function writeHuffman(to: Uint8Array, at: number, text: string): number {
  let next = at
  // The last `held` bits of `bits` are still to be written.
  let bits = 0
  let held = 0
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i)
    const code = codes[symbol] as number
    let length = codeBits[symbol] as number
    // With seven bits held, 32 have room for 25 more.
    if (length > 25) {
      bits = (bits << (length - 16)) | (code >>> 16)
      held += length - 16
      while (held >= 8) to[next++] = bits >>> (held -= 8)
      length = 16
    }
    bits = (bits << length) | (length === 16 ? code & 0xffff : code)
    held += length
    while (held >= 8) to[next++] = bits >>> (held -= 8)
  }
  if (held > 0) to[next++] = (bits << (8 - held)) | (0xff >>> held)
  return next
}
