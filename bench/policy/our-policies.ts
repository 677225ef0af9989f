/** The rule mix as AuthorizationPolicy objects, one rule each. */
import type { AuthorizationPolicy, Values } from '../../src/policy/authorization-policy.ts'
import type { PlainRule } from './rule-mix.ts'

const any = (...values: string[]): Values => ({ values, notValues: [] })

export function ourPolicies(rules: readonly PlainRule[]): AuthorizationPolicy[] {
  return rules.map(({ denies, caller, methods, path, tier, block }, i) => ({
    meta: { name: `p${i}`, namespace: 'foo', labels: {}, annotations: {}, createdAt: 0, origin: 'bench' },
    action: denies ? 'DENY' : 'ALLOW',
    selector: null,
    targetsGateway: false,
    rules: [
      {
        from:
          caller === null && block === null
            ? []
            : [
                {
                  principals: caller === null ? null : any(caller),
                  requestPrincipals: null,
                  namespaces: null,
                  serviceAccounts: null,
                  trustDomains: null,
                  ipBlocks: block === null ? null : any(block),
                  remoteIpBlocks: null,
                },
              ],
        to:
          methods === null && path === null
            ? []
            : [
                {
                  hosts: null,
                  ports: null,
                  methods: methods === null ? null : any(...methods),
                  paths: path === null ? null : any(path),
                },
              ],
        when: tier === null ? [] : [{ key: 'request.headers[x-tier]', ...any(tier) }],
      },
    ],
    provider: null,
    dryRun: false,
    quarantined: null,
  }))
}
