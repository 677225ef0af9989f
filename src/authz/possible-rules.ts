/**
 * Which rules may decide about a request when part of it is not known: every one is asked in three values. Slow, and for
 * records of requests only; where everything is known it agrees with `authorize.ts`, and the two are tested against each other.
 */
import type { CompiledRule, ConnectionTest } from './compiled-rule.ts'
import { holdsOnConnection } from './condition-account.ts'
import type { ConnectionContext, RequestContext } from './request-context.ts'
import { compileRequestPrincipal } from './request-principal.ts'
import type { RequestTest } from './request-test.ts'
import { anyFits, everyOf, matchesVeiled, notOf, someOf, type VeiledText } from './veiled-text.ts'

/** What is known of that which a test looks at. */
export type Sight =
  /** All of it: it stands in the request. */
  | 'whole'
  | 'nothing'
  /** Texts that are there, some of them veiled; none of them is empty. */
  | readonly VeiledText[]
  /** Of a token's principal. */
  | { readonly issuer: VeiledText; readonly subject: VeiledText }

export interface PartlyKnown {
  readonly connection: ConnectionContext
  readonly request: RequestContext
  readonly sees: (test: RequestTest) => Sight
}

export interface PossibleRules {
  /** One at least, in order, up to the one that certainly matches; null = none of them. */
  readonly rules: readonly (CompiledRule | null)[]
  /** Keys of what was missing to tell. */
  readonly missing: readonly string[]
}

/** Rules of a set that may be the first to match. */
export function possibleRules(rules: readonly CompiledRule[], known: PartlyKnown): PossibleRules {
  const missing = new Set<string>()
  const possible: CompiledRule[] = []
  for (const rule of rules) {
    const unsure = new Set<string>()
    const matches = ruleMatches(rule, known, unsure)
    if (matches === false) continue
    possible.push(rule)
    if (matches) return { rules: possible, missing: [...missing] }
    for (const key of unsure) missing.add(key)
  }
  return { rules: [...possible, null], missing: [...missing] }
}

function ruleMatches({ clauses }: CompiledRule, known: PartlyKnown, unsure: Set<string>): boolean | null {
  let all: boolean | null = true
  for (const { alternatives } of clauses) {
    const clause = someOf(
      alternatives.map(({ connection, request }) =>
        connection.every((test: ConnectionTest) => holdsOnConnection(test, known.connection))
          ? everyOf(request.map((test) => testHolds(test, known, unsure)))
          : false,
      ),
    )
    if (clause === false) return false
    if (clause === null) all = null
  }
  return all
}

function testHolds(test: RequestTest, known: PartlyKnown, unsure: Set<string>): boolean | null {
  const sight = known.sees(test)
  if (sight === 'whole') return test.holds(known.request, known.connection.sourceIp)
  const holds = sight === 'nothing' ? null : holdsVeiled(test, sight)
  if (holds === null) unsure.add(test.key)
  return holds
}

function holdsVeiled({ written }: RequestTest, sight: Exclude<Sight, string>): boolean | null {
  const fits = (values: readonly string[]): boolean | null =>
    Array.isArray(sight)
      ? anyFits(values, sight as readonly VeiledText[])
      : someOf(values.map((value) => fitsPrincipal(value, sight as Principal)))
  return everyOf([written.values.length === 0 ? true : fits(written.values), notOf(fits(written.notValues))])
}

type Principal = Exclude<Sight, string | readonly VeiledText[]>

function fitsPrincipal(value: string, { issuer, subject }: Principal): boolean | null {
  const pattern = compileRequestPrincipal(value)
  return everyOf([matchesVeiled(pattern.issuer, issuer), matchesVeiled(pattern.subject, subject)])
}
