/**
 * One YAML or JSON document to plain JSON values: no custom tags, no key twice, no bombs. This file and `yaml-limits.ts`
 * are the only ones that read with the `yaml` library; what the values mean is for others.
 */
import { isAlias, isCollection, isMap, isScalar, isSeq, parseDocument } from 'yaml'
import type { Document, ParsedNode } from 'yaml'
import { quoted } from '../decode/decode-problem.ts'
import { excess, limits, nestsTooDeep } from './yaml-limits.ts'

export interface PlainDocument {
  /** Line of the first value, counted from 0 within the text. */
  readonly line: number
  /** Plain JSON; undefined for an empty document or when nothing could be recovered. */
  readonly value: unknown
  /** Line of each entry of a top-level `items` list. */
  readonly itemLines: readonly number[]
  /** What is wrong and where (line from 0); a value beside it was recovered, not read. */
  readonly problem: { readonly line: number; readonly reason: string } | null
}

/** Reads exactly one document. Never throws. */
export function readYaml(text: string): PlainDocument {
  const refuse = (reason: string): PlainDocument => ({
    line: firstLine(text),
    value: undefined,
    itemLines: [],
    problem: { line: firstLine(text), reason },
  })
  if (text.length > limits.document) return refuse(`document larger than ${limits.document} characters`)
  try {
    if (nestsTooDeep(text)) return refuse(`nested deeper than ${limits.depth} levels`)
    return read(text)
  } catch (error) {
    // The library throws for alias bombs, unresolved aliases and exhausted stacks.
    return refuse(`not readable as YAML: ${quoted(error instanceof Error ? error.message : String(error))}`)
  }
}

function read(text: string): PlainDocument {
  const document = parseDocument(text, {
    // Checked by us: the library compares every key with every other.
    uniqueKeys: false,
    merge: true,
    schema: 'core',
    resolveKnownTags: false,
    stringKeys: true,
    prettyErrors: false,
    logLevel: 'error',
  })
  const line = firstLine(text)
  const fault = document.errors[0] ?? document.warnings[0]
  let problem: PlainDocument['problem'] = null
  if (fault !== undefined) {
    const reason = fault.code === 'TAG_RESOLVE_FAILED' ? 'custom tags are not allowed' : fault.message
    problem = { line: lineAt(text, fault.pos[0]), reason: `not readable as YAML: ${plain(reason)}` }
  }
  const twice = duplicateKey(document)
  if (problem === null && twice !== null) {
    problem = { line: lineAt(text, twice.offset), reason: `the key ${quoted(twice.key)} is given twice` }
  }
  const value: unknown = document.toJS({ maxAliasCount: limits.aliases })
  const tooMuch = excess(value)
  if (tooMuch !== null) return { line, value: undefined, itemLines: [], problem: { line, reason: tooMuch } }
  return { line, value: value ?? undefined, itemLines: itemLines(document, text), problem }
}

const plain = (message: string): string => message.replace(/\s+/g, ' ').slice(0, 200)

// Breadth first over the tree as written; aliases are not followed, their target is visited where it stands.
function duplicateKey(document: Document.Parsed): { key: string; offset: number } | null {
  const open: unknown[] = [document.contents]
  while (open.length > 0) {
    const node = open.pop()
    if (isSeq(node)) open.push(...node.items)
    if (!isMap<ParsedNode>(node)) continue
    const seen = new Set<string>()
    for (const { key, value } of node.items) {
      open.push(key, value)
      if (!isScalar(key)) continue
      const name = String(key.value)
      // `<<` may stand several times: each merges another map.
      if (seen.has(name) && name !== '<<') return { key: name, offset: key.range[0] }
      seen.add(name)
    }
  }
  return null
}

function itemLines(document: Document.Parsed, text: string): number[] {
  if (!isMap(document.contents)) return []
  const items: unknown = document.contents.get('items', true)
  const list = isAlias(items) ? items.resolve(document) : items
  if (!isCollection(list)) return []
  const lines: number[] = []
  let offset = 0
  let line = 0
  for (const item of list.items) {
    const start = (item as Partial<ParsedNode>).range?.[0] ?? 0
    // Items come in order, so that the text is walked once; an alias may point backwards.
    if (start < offset) [offset, line] = [0, 0]
    for (; offset < start; offset += 1) if (text.charCodeAt(offset) === 0x0a) line += 1
    lines.push(line)
  }
  return lines
}

const lineAt = (text: string, offset: number): number => text.slice(0, offset).split('\n').length - 1

function firstLine(text: string): number {
  const index = text.split('\n').findIndex((line) => !/^\s*(#.*|---\s*(#.*)?|%.*)?$/.test(line))
  return Math.max(index, 0)
}
