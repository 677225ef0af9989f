/**
 * All IP blocks of one side of one field, asked at once. It knows no text: which address is asked about, and where it
 * was read from, is the caller's knowledge.
 */
import { cidrContains, parseCidr, type Cidr } from '../address/cidr.ts'
import type { Ip } from '../address/ip.ts'

export class AddressSet {
  readonly #blocks: readonly Cidr[]

  /** Values that are no block are passed over: the compiler has judged them before. */
  constructor(values: readonly string[]) {
    this.#blocks = values.map(parseCidr).filter((block): block is Cidr => block !== null)
  }

  has(ip: Ip): boolean {
    for (const block of this.#blocks) if (cidrContains(block, ip)) return true
    return false
  }
}
