/**
 * Random field lists as a busy connection has them: most fields come again, some change, a few are odd. Names and values
 * are such that Node's HTTP/2 sends and takes them, unless odd ones are asked for.
 */
import type { Random } from '../support/damage.ts'
import { pick } from '../support/damage.ts'

const names = [
  'accept',
  'user-agent',
  'x-tenant',
  'x-request-id',
  'etag',
  'content-language',
  'cookie',
  'x-b3-traceid',
]
const values = [
  '*/*',
  'blue',
  'text/html; charset=utf-8',
  'a',
  '',
  'gzip, deflate',
  'no-cache',
  '0'.repeat(60),
]

/** `odd`: any name and value at all, the empty and the huge among them. */
export function randomFields(random: Random, odd = true): string[] {
  const fields: string[] = []
  const count = Math.floor(random() * 14)
  for (let i = 0; i < count; i++) {
    const name = random() < 0.9 ? pick(random, names) : `x-${randomText(random, 'abcdefgh-', 6)}`
    const value = random() < 0.7 ? pick(random, values) : randomText(random, visible, 40)
    fields.push(name, value)
    if (!odd) continue
    if (random() < 0.1) fields.push(randomText(random, anything, 12), randomText(random, anything, 300))
    if (random() < 0.02) fields.push('x-huge', randomText(random, visible, 6000))
  }
  return fields
}

const visible = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./%?=&;:,'()[]{}<>|~^*+$#@!"
const anything = String.fromCharCode(...Array(256).keys())

export function randomText(random: Random, alphabet: string, most: number): string {
  let text = ''
  const length = Math.floor(random() * most)
  for (let i = 0; i < length; i++) text += alphabet[Math.floor(random() * alphabet.length)]
  return text
}
