/**
 * What the kernel holds, read from iptables-save(8) output: chains and rules by table. It understands no rule; it keeps each
 * as it was printed, so that it can be deleted by the very words.
 */
export interface SavedRule {
  readonly chain: string
  /** All after the chain, as printed. */
  readonly text: string
  readonly words: readonly string[]
  /** After `-j` or `-g`; '' when there is none. */
  readonly target: string
}

export interface SavedTable {
  readonly name: string
  readonly chains: readonly string[]
  readonly rules: readonly SavedRule[]
}

export function parseSaved(text: string): SavedTable[] {
  const tables: { name: string; chains: string[]; rules: SavedRule[] }[] = []
  for (const line of text.split('\n')) {
    const table = tables.at(-1)
    if (line.startsWith('*')) tables.push({ name: line.slice(1).trim(), chains: [], rules: [] })
    else if (table === undefined) continue
    else if (line.startsWith(':')) table.chains.push(line.slice(1).split(' ', 1)[0] ?? '')
    else if (line.startsWith('-A ')) table.rules.push(savedRule(line))
  }
  return tables
}

function savedRule(line: string): SavedRule {
  const end = line.indexOf(' ', 3)
  const chain = end < 0 ? line.slice(3) : line.slice(3, end)
  const text = end < 0 ? '' : line.slice(end + 1)
  const words = splitWords(text)
  const jump = words.findLastIndex((word) => word === '-j' || word === '-g')
  return { chain, text, words, target: jump < 0 ? '' : (words[jump + 1] ?? '') }
}

// Quoted arguments (comments) are one word each; a backslash keeps the next character, as iptables-restore reads it.
function splitWords(text: string): string[] {
  const words = text.match(/"(?:\\.|[^"\\])*"|\S+/g) ?? []
  return words.map((word) =>
    word.startsWith('"') && word.length > 1 ? word.slice(1, -1).replace(/\\(.)/g, '$1') : word,
  )
}
