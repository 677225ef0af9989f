/** Lines of a stream of text, one at a time, bounded in length. It keeps one line in hand and reads none of them. */
import type { Readable } from 'node:stream'

/** Characters of a line: far more than any request head holds. */
export const longestLine = 4 * 1024 * 1024

export interface Line {
  /** null for one that is too long to be kept. */
  readonly text: string | null
  /** False where the stream ended inside the line. */
  readonly ended: boolean
}

export async function* linesOf(input: Readable): AsyncGenerator<Line> {
  input.setEncoding('utf8')
  let rest = ''
  let skipping = false
  for await (const chunk of input as AsyncIterable<string>) {
    let from = 0
    for (let end = chunk.indexOf('\n'); end >= 0; end = chunk.indexOf('\n', from)) {
      const line = rest + chunk.slice(from, end)
      from = end + 1
      rest = ''
      if (!skipping) yield { text: line.length > longestLine ? null : line, ended: true }
      skipping = false
    }
    if (skipping) continue
    rest += chunk.slice(from)
    if (rest.length > longestLine) {
      yield { text: null, ended: true }
      rest = ''
      skipping = true
    }
  }
  if (rest !== '') yield { text: rest, ended: false }
}
