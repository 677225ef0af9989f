/**
 * Nanoseconds of this thread that recording adds to a request: allowed ones at several sample rates, refused ones with and without a line, and
 * the nearest miss by number of rules. It reports and asserts nothing; `--smoke` runs it once, short.
 */
import { bind } from '../../src/authz/authorize.ts'
import { compile } from '../../src/authz/compile.ts'
import { nearestMiss } from '../../src/authz/nearest-miss.ts'
import { ConnectionContext, RequestContext } from '../../src/authz/request-context.ts'
import { parseIp, type Ip } from '../../src/address/ip.ts'
import type { Connection } from '../../src/dataplane/connection.ts'
import { ConnectionJournal } from '../../src/dataplane/decisions/connection-journal.ts'
import { DecisionJournal } from '../../src/dataplane/decisions/decision-journal.ts'
import { judgeRequest } from '../../src/dataplane/inbound/judge-request.ts'
import type { OpenRequest } from '../../src/dataplane/inbound/open-request.ts'
import type { ReadRequest } from '../../src/dataplane/inbound/request-token.ts'
import type { World } from '../../src/dataplane/world.ts'
import { systemClock } from '../../src/lifecycle/clock.ts'
import { decodeResource } from '../../src/policy/decode-resource.ts'
import type { AuthorizationPolicy } from '../../src/policy/authorization-policy.ts'
import { readDocuments } from '../../src/policy/read-documents.ts'
import { DecisionLog } from '../../src/telemetry/decision-log.ts'
import { ValueVeil } from '../../src/telemetry/value-veil.ts'
import { meshConfig, web } from '../../test/support/data-plane-harness.ts'

const rounds = process.argv.includes('--smoke') ? 5_000 : 2_000_000

const rule = (path: string, header: string): string =>
  `{from: [{source: {principals: ["cluster.local/ns/shop/sa/client"]}}], to: [{operation: {methods: [GET], paths: ["${path}"]}}], ` +
  `when: [{key: "request.headers[${header}]", values: [gold]}]}`

function policyOf(rules: number): AuthorizationPolicy {
  const list = Array.from({ length: rules }, (_, i) => rule(`/p${i}*`, 'x-tier')).join(', ')
  const { resources } = readDocuments(
    `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: shop}\nspec: {rules: [${list}]}\n`,
    'bench.yaml',
  )
  const decoded = decodeResource(resources[0] as (typeof resources)[number], meshConfig)
  if (decoded.kind !== 'AuthorizationPolicy') throw new Error(JSON.stringify(decoded))
  return decoded.value
}

const uri = 'spiffe://cluster.local/ns/shop/sa/client'
const context = new ConnectionContext(uri, parseIp('10.0.0.1') as Ip, parseIp('10.1.0.1') as Ip, 8080, 'sni')
const connection = {
  context,
  peer: { id: { uri } },
  remote: { address: '10.0.0.1', port: 40_000 },
  destination: { address: '10.1.0.1', port: 8080 },
  sni: 'sni',
} as unknown as Connection

const policy = policyOf(10)
const httpPolicy = compile([policy], {
  trustDomain: 'cluster.local',
  trustDomainAliases: [],
  protocol: 'http',
})
const world = {
  generation: 7,
  httpPolicy,
  ports: new Map(),
  snapshot: {
    workload: web,
    mesh: meshConfig,
    requestAuthentications: [],
    tokenRefusals: [],
    defaultMtls: 'STRICT',
  },
} as unknown as World
const bound = bind(httpPolicy, context)

function ask(path: string): { readonly open: OpenRequest; readonly request: ReadRequest } {
  const headers = [
    'host',
    'web',
    'user-agent',
    'curl/8.5.0',
    'accept',
    '*/*',
    'x-tier',
    'gold',
    'x-forwarded-for',
    '10.9.9.9',
  ]
  const head = { method: 'GET', target: path, headers, version: 11 }
  const exchange = { head, requestId: 'f447d278-6947-44fc-bc33-a85c4c665e32' }
  return {
    open: { exchange, custom: '' } as unknown as OpenRequest,
    request: {
      host: 'web',
      context: new RequestContext('GET', path, path, 'web', headers),
    } as unknown as ReadRequest,
  }
}

function journalOf(rate: number, logging: boolean): ConnectionJournal {
  const log = new DecisionLog({
    clock: systemClock,
    flushMs: 50,
    batchBytes: 64 * 1024,
    mostWaiting: Infinity,
    sink: () => undefined,
  })
  const veil = new ValueVeil(false, null)
  const deps = { clock: systemClock, random: Math.random, veil, log: logging ? log : null }
  return new ConnectionJournal(new DecisionJournal(deps, rate), connection)
}

function nanoseconds(step: () => void, count: number): number {
  const times = Array.from({ length: 5 }, () => {
    const { user, system } = process.threadCpuUsage()
    for (let i = 0; i < count; i++) step()
    const after = process.threadCpuUsage()
    return ((after.user - user + after.system - system) * 1000) / count
  })
  return times.toSorted((x, y) => x - y)[2] as number
}

const say = (name: string, value: number): void =>
  void process.stdout.write(`${name.padEnd(58)} ${value.toFixed(1).padStart(10)} ns\n`)

const allowed = ask('/p9/x')
const refused = ask('/none')
const judged = (journal: ConnectionJournal, { open, request }: typeof allowed) => {
  const verdict = judgeRequest(bound, request.context)
  return () => journal.judged(open, request, verdict, bound.policy, world)
}

say(
  'judging alone',
  nanoseconds(() => void judgeRequest(bound, allowed.request.context), rounds),
)
for (const [name, rate, logging] of [
  ['allowed, nothing recorded', 0, false],
  ['allowed, recorded 1 % (the default), no log', 0.01, false],
  ['allowed, recorded 1 %, log', 0.01, true],
  ['allowed, recorded all, log', 1, true],
] as const)
  say(name, nanoseconds(judged(journalOf(rate, logging), allowed), rate === 1 ? rounds / 50 : rounds))
say('refused, no log', nanoseconds(judged(journalOf(0.01, false), refused), rounds / 50))
say('refused, log', nanoseconds(judged(journalOf(0.01, true), refused), rounds / 50))
for (const rules of [10, 100, 500]) {
  const compiled = compile([policyOf(rules)], {
    trustDomain: 'cluster.local',
    trustDomainAliases: [],
    protocol: 'http',
  })
  const miss = (): void => void nearestMiss(compiled, context, refused.request.context)
  say(`nearest miss of ${rules} rules`, nanoseconds(miss, Math.ceil(rounds / 10 / rules)))
}
