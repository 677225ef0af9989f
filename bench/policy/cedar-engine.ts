/** The rule mix in Cedar: one static policy a rule, parsed once; each question passes through its JSON door as it must. */
import { preparsePolicySet, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs'
import type { Engine } from './engine.ts'
import type { PlainRule, Question } from './rule-mix.ts'

export function cedarEngine(rules: readonly PlainRule[], questions: readonly Question[]): Engine {
  const start = performance.now()
  const id = `rules-${rules.length}`
  const parsed = preparsePolicySet(id, {
    staticPolicies: Object.fromEntries(rules.map((rule, i) => [`p${i}`, cedarOf(rule)])),
  })
  if (parsed.type === 'failure')
    throw new Error(`cedar refuses the rules: ${parsed.errors[0]?.message ?? ''}`)
  const loadMs = performance.now() - start
  return {
    name: 'cedar-wasm',
    loadMs,
    ask: (n) => {
      const { caller, ip, method, path, tier } = questions[n] as Question
      const answer = statefulIsAuthorized({
        principal: { type: 'Caller', id: caller },
        action: { type: 'Action', id: method },
        resource: { type: 'App', id: 'app' },
        context: {
          path,
          ip: { __extn: { fn: 'ip', arg: ip } },
          ...(tier === null ? {} : { tier }),
        },
        preparsedPolicySetId: id,
        entities: [],
      })
      return answer.type === 'success' && answer.response.decision === 'allow'
    },
  }
}

function cedarOf({ denies, caller, methods, path, tier, block }: PlainRule): string {
  const principal = caller === null ? 'principal' : `principal == Caller::"${caller}"`
  const action =
    methods === null ? 'action' : `action in [${methods.map((method) => `Action::"${method}"`).join(', ')}]`
  const conditions = [
    ...(path === null
      ? []
      : [path.endsWith('*') ? `context.path like "${path}"` : `context.path == "${path}"`]),
    ...(tier === null ? [] : [`context has tier && context.tier == "${tier}"`]),
    ...(block === null ? [] : [`context.ip.isInRange(ip("${block}"))`]),
  ]
  const when = conditions.length === 0 ? '' : ` when { ${conditions.join(' && ')} }`
  return `${denies ? 'forbid' : 'permit'} (${principal}, ${action}, resource)${when};`
}
