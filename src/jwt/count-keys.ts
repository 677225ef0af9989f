/** How many keys of a document can verify: for metrics, asked when scraped and remembered by text. It verifies nothing. */
import { KeySet } from './key-set.ts'

const counted = new Map<string, number>()
/** Documents remembered: as many as issuers, which operators name. */
const most = 256

export function countKeys(text: string): number {
  const known = counted.get(text)
  if (known !== undefined) return known
  const read = KeySet.read(text)
  const count = read.ok ? read.keys.size : 0
  if (counted.size >= most) counted.clear()
  counted.set(text, count)
  return count
}
