/** Sets of small numbers as bits of 32-bit words, so that sets are intersected a word at a time. Sizes are fixed. */
export type BitVector = Uint32Array

export function noBits(size: number): BitVector {
  return new Uint32Array((size + 31) >>> 5)
}

export function allBits(size: number): BitVector {
  return noBits(size).fill(0xffffffff)
}

export function setBit(vector: BitVector, bit: number): void {
  vector[bit >>> 5] = (vector[bit >>> 5] as number) | (1 << (bit & 31))
}

export function clearBit(vector: BitVector, bit: number): void {
  vector[bit >>> 5] = (vector[bit >>> 5] as number) & ~(1 << (bit & 31))
}

export function hasBit(vector: BitVector, bit: number): boolean {
  return (((vector[bit >>> 5] as number) >>> (bit & 31)) & 1) === 1
}

/** Keeps in `vector` what is in `wanted` and not in `unwanted`. */
export function narrow(vector: BitVector, wanted: BitVector, unwanted: BitVector): void {
  for (let i = 0; i < vector.length; i++) {
    vector[i] = (vector[i] as number) & (wanted[i] as number) & ~(unwanted[i] as number)
  }
}
