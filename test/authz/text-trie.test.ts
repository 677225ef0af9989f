/** Texts found by one walk: prefixes, suffixes and whole values, held to startsWith, endsWith and equality. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { TextIndex } from '../../src/authz/text-index.ts'
import { TextTrie, type Visitor } from '../../src/authz/text-trie.ts'
import { seededRandom } from '../support/random-policies.ts'

class Found implements Visitor<string> {
  readonly values: string[] = []
  offer(filed: readonly string[]): void {
    this.values.push(...filed)
  }
}

const seed = Number(process.env['SALLYPORT_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

test(`a walk meets exactly the openings and the whole of a text (SALLYPORT_SEED=${seed})`, () => {
  const random = seededRandom(seed)
  const text = (): string =>
    Array.from({ length: Math.floor(random() * 7) }, () => 'ab/é\u{1f600}'[Math.floor(random() * 6)]).join('')
  for (let round = 0; round < 60; round++) {
    const filed = Array.from({ length: Math.floor(random() * 40) }, text)
    for (const backward of [false, true]) {
      const trie = new TextTrie<string>(backward)
      for (const value of filed) {
        trie.fileOpening(value, `opening ${value}`)
        trie.fileWhole(value, `whole ${value}`)
      }
      for (let i = 0; i < 30; i++) {
        const asked = text()
        const found = new Found()
        trie.walk(asked, found)
        const opens = (value: string): boolean => (backward ? asked.endsWith(value) : asked.startsWith(value))
        const expected = filed.flatMap((value) => [
          ...(opens(value) ? [`opening ${value}`] : []),
          ...(asked === value ? [`whole ${value}`] : []),
        ])
        assert.deepEqual(
          found.values.sort(),
          expected.sort(),
          `${JSON.stringify(asked)} of ${JSON.stringify(filed)}`,
        )
      }
    }
  }
})

test('a value that many characters follow is found past a wide fork', () => {
  const trie = new TextTrie<number>(false)
  for (let code = 33; code < 127; code++) trie.fileOpening(`/x/${String.fromCharCode(code)}/`, code)
  const found: number[] = []
  trie.walk('/x/~/deep', { offer: (filed) => found.push(...filed) })
  assert.deepEqual(found, [126])
})

test('an index knows the four forms of a value, and that an empty one is met by nothing', () => {
  const index = new TextIndex<string>()
  for (const value of ['*', 'ab', 'a*', '*b', 'a*b', '*a*', '']) index.file(value, value)
  const met = (text: string): string[] => {
    const found = new Found()
    index.walk(text, found)
    return found.values.sort()
  }
  assert.deepEqual(met('ab'), ['*', '*b', 'a*', 'ab'])
  assert.deepEqual(met('a*b'), ['*', '*b', 'a*', 'a*b'])
  assert.deepEqual(met('xa*'), ['*', '*a*'])
  assert.deepEqual(met(''), ['*'])
})
