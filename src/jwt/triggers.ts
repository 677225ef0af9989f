/**
 * Whether a legacy rule is asked about a path (policy-semantics §7), compiled once. What cannot be decided about a path,
 * it being too long for a regular expression, fires: then a token is asked for.
 */
import { compileRegex } from '../match/linear-regex.ts'
import type { PathMatch, TriggerRule } from '../policy/trigger-rule.ts'

/** null = cannot be told. */
type Fits = (path: string) => boolean | null

interface CompiledTrigger {
  readonly excluded: readonly Fits[]
  readonly included: readonly Fits[]
}

export class Triggers {
  readonly #rules: readonly CompiledTrigger[]

  constructor(rules: readonly TriggerRule[]) {
    this.#rules = rules.map(({ excluded, included }) => ({
      excluded: excluded.map(fitsOf),
      included: included.map(fitsOf),
    }))
  }

  /** `path`: normalized, without query and fragment (CVE-2020-8595). */
  fire(path: string): boolean {
    return this.#rules.length === 0 || this.#rules.some((rule) => fires(rule, path))
  }
}

function fires({ excluded, included }: CompiledTrigger, path: string): boolean {
  for (const fits of excluded) if (fits(path) === true) return false
  if (included.length === 0) return true
  for (const fits of included) if (fits(path) !== false) return true
  return false
}

function fitsOf({ kind, text }: PathMatch): Fits {
  switch (kind) {
    case 'exact':
      return (path) => path === text
    case 'prefix':
      return (path) => path.startsWith(text)
    case 'suffix':
      return (path) => path.endsWith(text)
    case 'regex': {
      const made = compileRegex(text)
      // Decoding has refused these; here there is nothing to do but to doubt.
      return made.ok ? (path) => made.regex.matches(path) : () => null
    }
  }
}
