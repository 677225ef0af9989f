/**
 * Reads Huffman-coded text (RFC 7541 §5.2), four bits a step, through a table made at load. It refuses what is no exact
 * coding: EOS within, padding of eight bits and more, padding that is not all ones.
 */
import { codeBits, codes, EOS } from './hpack-huffman-code.ts'

/*
 * States are the inner nodes of the code's tree, 0 its root: 256 of them, as there are 257 leaves. A step's entry holds
 * the byte it completed in bits 0-7, whether it did in bit 8 (no code is shorter than five bits, so never two), whether
 * that was EOS in bit 9, and from bit 12 on the next state: where its sixteen entries begin.
 */
const Emits = 1 << 8
const Fails = 1 << 9
const nextState = 12
const steps = new Uint32Array(256 * 16)
/** 1 for the states that text may end in: the root and up to seven ones below it. */
const mayEnd = new Uint8Array(256)

/** Bytes that `length` coded ones may need in `readHuffman`: five bits each at the best, and one for the last step. */
export function mostTextBytes(length: number): number {
  return ((length * 8) / 5 + 2) | 0
}

/** Decodes bytes[from, to) into `text`, which has room for `mostTextBytes`. Its length, or -1 for what is no coding. */
export function readHuffman(bytes: Uint8Array, from: number, to: number, text: Uint8Array): number {
  let state = 0
  let length = 0
  let seen = 0
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number
    const high = steps[state + (byte >>> 4)] as number
    text[length] = high
    length += (high >>> 8) & 1
    const low = steps[(high >>> nextState) + (byte & 15)] as number
    text[length] = low
    length += (low >>> 8) & 1
    seen |= high | low
    state = low >>> nextState
  }
  return (seen & Fails) !== 0 || mayEnd[state >>> 4] === 0 ? -1 : length
}

build()

function build(): void {
  // Children by state and bit: a state, or below zero a byte.
  const children = new Int16Array(512)
  let states = 1
  for (let symbol = 0; symbol <= EOS; symbol++) {
    const code = codes[symbol] as number
    let state = 0
    for (let bit = (codeBits[symbol] as number) - 1; bit > 0; bit--) {
      const slot = 2 * state + ((code >>> bit) & 1)
      if (children[slot] === 0) children[slot] = states++
      state = children[slot] as number
    }
    children[2 * state + (code & 1)] = -1 - symbol
  }
  for (let step = 0; step < steps.length; step++) {
    let state = step >>> 4
    let found = 0
    for (let bit = 3; bit >= 0; bit--) {
      const child = children[2 * state + ((step >>> bit) & 1)] as number
      state = child < 0 ? 0 : child
      if (child < 0) found = child === -1 - EOS ? Fails : Emits | (-1 - child)
    }
    steps[step] = found | (state << (nextState + 4))
  }
  for (let ones = 0, state = 0; ones <= 7; ones++) {
    mayEnd[state] = 1
    state = children[2 * state + 1] as number
  }
}
