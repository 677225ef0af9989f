/**
 * Splits all addresses by the borders of the IP blocks that policy names: two addresses of one class are in the same
 * blocks. It answers no question of a policy; it makes connections from many addresses look alike.
 */
import type { Cidr } from '../address/cidr.ts'
import type { Ip } from '../address/ip.ts'

export class AddressClasses {
  /** First addresses of the classes after the first, ascending. */
  readonly #v4: Float64Array
  readonly #v6: readonly bigint[]

  constructor(blocks: readonly Cidr[]) {
    const v4 = new Set<number>()
    const v6 = new Set<bigint>()
    for (const { network, length } of blocks) {
      if (network.family === 4) {
        v4.add(network.d >>> 0)
        v4.add((network.d >>> 0) + 2 ** (32 - length))
      } else {
        v6.add(wide(network))
        v6.add(wide(network) + (1n << BigInt(128 - length)))
      }
    }
    this.#v4 = Float64Array.from([...v4].sort((x, y) => x - y))
    this.#v6 = [...v6].sort((x, y) => (x < y ? -1 : x > y ? 1 : 0))
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
