/**
 * Splits all addresses by the borders of the IP blocks that policy names: two addresses of one class are in the same
 * blocks. It answers no question of a policy; it makes connections from many addresses look alike.
 */
import { parseCidr } from '../address/cidr.ts'
import type { Ip } from '../address/ip.ts'
import { sortInSteps } from '../lifecycle/sort-in-steps.ts'
import type { Steps } from '../lifecycle/steps.ts'

export class AddressClasses {
  /** First addresses of the classes after the first, ascending. */
  readonly #v4: Float64Array
  readonly #v6: readonly bigint[]

  private constructor(v4: Float64Array, v6: readonly bigint[]) {
    this.#v4 = v4
    this.#v6 = v6
  }

  /** From blocks as written; what is no block is passed over. Each step is one block. */
  static *build(values: Iterable<string>): Steps<AddressClasses> {
    const v4 = new Set<number>()
    const v6 = new Set<bigint>()
    for (const value of values) {
      const block = parseCidr(value)
      yield
      if (block === null) continue
      const { network, length } = block
      if (network.family === 4) {
        v4.add(network.d >>> 0)
        v4.add((network.d >>> 0) + 2 ** (32 - length))
      } else {
        v6.add(wide(network))
        v6.add(wide(network) + (1n << BigInt(128 - length)))
      }
    }
    const ascending = <T extends number | bigint>(x: T, y: T): number => (x < y ? -1 : x > y ? 1 : 0)
    return new AddressClasses(
      Float64Array.from(yield* sortInSteps([...v4], ascending)),
      yield* sortInSteps([...v6], ascending),
    )
  }

  /** IPv4 classes count up from 0, IPv6 classes down from -1. */
  of(ip: Ip): number {
    return ip.family === 4 ? below(this.#v4, ip.d >>> 0) : -1 - below(this.#v6, wide(ip))
  }
}

function wide({ a, b, c, d }: Ip): bigint {
  return (BigInt(a >>> 0) << 96n) | (BigInt(b >>> 0) << 64n) | (BigInt(c >>> 0) << 32n) | BigInt(d >>> 0)
}

/** How many borders are at or below the value. */
function below<T extends number | bigint>(borders: ArrayLike<T>, value: T): number {
  let low = 0
  let high = borders.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((borders[middle] as T) <= value) low = middle + 1
    else high = middle
  }
  return low
}
