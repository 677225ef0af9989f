/**
 * Nanoseconds a decision with 1 to 10,000 policies, and microseconds to bind a
 * connection that looks like one before. It reports and asserts
 * nothing; `--smoke` runs it once, short.
 */
import { parseIp, type Ip } from '../../src/address/ip.ts'
import { authorize, bind } from '../../src/authz/authorize.ts'
import { compile } from '../../src/authz/compile.ts'
import { ConnectionContext, RequestContext } from '../../src/authz/request-context.ts'
import type { AuthorizationPolicy, Values } from '../../src/policy/authorization-policy.ts'

const rounds = process.argv.includes('--smoke') ? 2_000 : 300_000
const any = (...values: string[]): Values => ({ values, notValues: [] })

/** Policy `i`: one caller, one method, one path, one header. */
function policy(i: number, callers: number): AuthorizationPolicy {
  return {
    meta: {
      name: `p${i}`,
      namespace: 'foo',
      labels: {},
      annotations: {},
      createdAt: 0,
      origin: 'bench',
    },
    action: i % 4 === 0 ? 'DENY' : 'ALLOW',
    selector: null,
    targetsGateway: false,
    rules: [
      {
        from: [
          {
            principals: any(`cluster.local/ns/foo/sa/caller-${i % callers}`),
            requestPrincipals: null,
            namespaces: null,
            serviceAccounts: null,
            trustDomains: null,
            ipBlocks: null,
            remoteIpBlocks: null,
          },
        ],
        to: [{ hosts: null, ports: any('8080'), methods: any('GET', 'HEAD'), paths: any(`/api/v${i}/*`) }],
        when: [{ key: 'request.headers[x-tier]', ...any('gold') }],
      },
    ],
    provider: null,
    dryRun: false,
    quarantined: null,
  }
}

const request = new RequestContext('GET', '/api/none', '/api/none?q=1', 'app.foo:8080', [
  'host',
  'app.foo:8080',
  'accept',
  '*/*',
  'x-tier',
  'gold',
])
const connection = new ConnectionContext(
  'spiffe://cluster.local/ns/foo/sa/caller-0',
  parseIp('10.0.0.1') as Ip,
  parseIp('10.0.0.2') as Ip,
  8080,
  'outbound_.80_._.app.foo.svc.cluster.local',
)

// Every policy about this caller is the worst case: nothing is settled by the connection.
for (const [title, callersOf] of [
  ['each policy about another caller', (count: number) => count],
  ['ten callers share the policies', () => 10],
  ['all policies about this caller', () => 1],
] as const) {
  for (const count of [1, 10, 100, 1000, 10_000]) {
    const policies = Array.from({ length: count }, (_, i) => policy(i, callersOf(count)))
    const compiled = compile(policies, {
      trustDomain: 'cluster.local',
      trustDomainAliases: [],
      protocol: 'http',
    })
    const bound = bind(compiled, connection)
    let denied = 0
    const times = rounds
    for (let i = 0; i < times; i++) if (!authorize(bound, request).allowed) denied++
    const start = performance.now()
    for (let i = 0; i < times; i++) if (!authorize(bound, request).allowed) denied++
    const decision = ((performance.now() - start) * 1e6) / times
    const binds = Math.floor(times / 10)
    const bindStart = performance.now()
    for (let i = 0; i < binds; i++) bind(compiled, connection)
    const binding = ((performance.now() - bindStart) * 1e3) / binds
    process.stdout.write(
      `${title}: ${count} policies: ${decision.toFixed(0)} ns a decision, ${binding.toFixed(1)} µs a bind (${denied > 0 ? 'denied' : 'allowed'})\n`,
    )
  }
}
