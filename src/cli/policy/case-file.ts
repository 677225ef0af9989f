/** A file of policy cases, decoded: requests and what is expected of their decisions. It judges none of them. */
import { attempt, DecodeProblem, expected } from '../../decode/decode-problem.ts'
import { items, map, nonEmptyString, optional, record, required } from '../../decode/decode.ts'
import { readYaml } from '../../policy/yaml-document.ts'
import { readQuestion } from './question.ts'
import type { Question } from './question.ts'

export interface PolicyCase {
  readonly name: string
  readonly given: Question
  /** Fields of an answer; those that are not named are not looked at. */
  readonly expect: Readonly<Record<string, unknown>>
}

export type ReadCases =
  | { readonly ok: true; readonly value: readonly PolicyCase[] }
  | { readonly ok: false; readonly reason: string }

/** A list of cases, or a map with the list under `cases`; YAML or JSON. */
export function readCases(text: string): ReadCases {
  const { value, problem } = readYaml(text)
  if (problem !== null) return { ok: false, reason: `line ${problem.line + 1}: ${problem.reason}` }
  return attempt(() => {
    const fields = Array.isArray(value)
      ? new Map<string, unknown>([['cases', value]])
      : record(value, '', ['cases'])
    const cases = items(fields, 'cases', '', decodeCase)
    if (cases.length === 0) throw new DecodeProblem('cases', 'expected at least one')
    return cases
  })
}

/** What `expect` may name: a word misspelt must not pass by never being looked at. */
const known =
  'allowed status body grpcStatus authenticate action policy rule reason path shadow audit miss custom'.split(
    ' ',
  )

function decodeCase(input: unknown, at: string): PolicyCase {
  const fields = record(input, at, ['name', 'given', 'expect'])
  const given = readQuestion(required(fields, 'given', at, map))
  if (!given.ok) throw new DecodeProblem(`${at}.given`, given.reason)
  const expect = required(fields, 'expect', at, map)
  // Also refuses what nobody would look at; null stays a value that can be expected.
  record(expect, `${at}.expect`, known)
  if (Object.keys(expect).length === 0) throw expected('at least one field', expect, `${at}.expect`)
  return { name: optional(fields, 'name', at, nonEmptyString) ?? at, given: given.question, expect }
}
