/** The rule mix in casbin: one policy line a rule, deny overrides, a matcher that knows `*` for "whatever". */
import { newEnforcer, newModelFromString } from 'casbin'
import type { Engine } from './engine.ts'
import type { PlainRule, Question } from './rule-mix.ts'

const model = `
[request_definition]
r = caller, ip, method, path, tier
[policy_definition]
p = caller, block, methods, path, tier, eft
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = (p.caller == '*' || r.caller == p.caller) && (p.path == '*' || fits(r.path, p.path)) && (p.methods == '*' || listed(r.method, p.methods)) && (p.tier == '*' || r.tier == p.tier) && (p.block == '*' || ipMatch(r.ip, p.block))
`

export async function casbinEngine(
  rules: readonly PlainRule[],
  questions: readonly Question[],
): Promise<Engine> {
  const start = performance.now()
  const enforcer = await newEnforcer(newModelFromString(model))
  enforcer.addFunction('fits', (path: string, value: string) =>
    value.endsWith('*') ? path.startsWith(value.slice(0, -1)) : path === value,
  )
  enforcer.addFunction('listed', (method: string, methods: string) => methods.split(',').includes(method))
  await enforcer.addPolicies(
    rules.map(({ denies, caller, block, methods, path, tier }, i) => [
      caller ?? '*',
      block ?? '*',
      methods?.join(',') ?? '*',
      path ?? '*',
      tier ?? '*',
      denies ? 'deny' : 'allow',
      String(i),
    ]),
  )
  const loadMs = performance.now() - start
  return {
    name: 'casbin',
    loadMs,
    ask: (n) => {
      const { caller, ip, method, path, tier } = questions[n] as Question
      return enforcer.enforceSync(caller, ip, method, path, tier ?? '')
    },
  }
}
