/**
 * How large, how deep and how entangled a configuration document may be, checked before and after the YAML parser sees
 * it: the parser is recursive and slow on hostile nesting. It judges no meaning.
 */
import { Lexer } from 'yaml'

export const limits = {
  /** Characters of one file. */
  file: 16 * 2 ** 20,
  /** Characters of one document. One object is at most 1.5 MiB, but a dumped `kind: List` is many objects. */
  document: 8 * 2 ** 20,
  /** Levels of maps and lists, list items of `kind: List` included. */
  depth: 100,
  /** Values after aliases are expanded. */
  values: 1_000_000,
  /** As in the parser: how often anchors may be repeated in all. */
  aliases: 100,
}

const indicators = /[-?:] /g

/** Whether the text nests deeper than the parser is to be asked to follow. Linear in the text. */
export function nestsTooDeep(text: string): boolean {
  return looksDeep(text) && isDeep(text)
}

// Cheap and too strict (it counts inside quotes); most documents are cleared here.
function looksDeep(text: string): boolean {
  let open = 0
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code === 0x5b || code === 0x7b) open += 1
    else if ((code === 0x5d || code === 0x7d) && open > 0) open -= 1
    if (open > limits.depth) return true
  }
  return text.split('\n').some((line) => (line.match(indicators)?.length ?? 0) > limits.depth)
}

function isDeep(text: string): boolean {
  let flow = 0
  let inLine = 0
  for (const token of new Lexer().lex(text)) {
    if (token === '[' || token === '{') flow += 1
    else if (token === ']' || token === '}') flow -= 1
    else if (token === '-' || token === '?') inLine += 1
    else if (token === '\n') inLine = 0
    if (flow + inLine > limits.depth) return true
  }
  return false
}

/** What is wrong with the size of a parsed value, or null. Cycles made of aliases count as depth. */
export function excess(value: unknown): string | null {
  let left = limits.values
  const visit = (node: unknown, depth: number): string | null => {
    if (typeof node !== 'object' || node === null) return null
    if (depth > limits.depth) return `nested deeper than ${limits.depth} levels`
    for (const child of Array.isArray(node) ? node : Object.values(node)) {
      left -= 1
      if (left < 0) return `more than ${limits.values} values`
      const problem = visit(child, depth + 1)
      if (problem !== null) return problem
    }
    return null
  }
  return visit(value, 1)
}
