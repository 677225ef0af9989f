/** CUSTOM policies asked offline: nobody is dialled, and an answer that is given with the question counts as in the proxy. */
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { explain } from '../../../src/authz/explain.ts'
import { Evaluator } from '../../../src/cli/policy/evaluator.ts'
import { explanationText } from '../../../src/cli/policy/explanation-text.ts'
import { knownWorkloads } from '../../../src/cli/policy/known-workloads.ts'
import { lint } from '../../../src/cli/policy/lint.ts'
import { loadPolicyFolder } from '../../../src/cli/policy/load-policy-folder.ts'
import { readQuestion } from '../../../src/cli/policy/question.ts'
import { asking, now, policy } from './asking.ts'

const timeout = 10_000

const object = (kind: string, apiVersion: string, name: string, namespace: string, rest: object): string =>
  `---\n${JSON.stringify({ apiVersion, kind, metadata: { name, namespace }, ...rest })}\n`

const authorizer = object('ServiceEntry', 'networking.istio.io/v1', 'authz', 'ext', {
  spec: {
    hosts: ['authz.example.com'],
    ports: [{ number: 9000, name: 'grpc', protocol: 'GRPC' }],
    resolution: 'STATIC',
    endpoints: [{ address: '10.9.9.9' }],
  },
})
const provider = (name: string, kind: 'Http' | 'Grpc', more: object = {}): object => ({
  name,
  [`envoyExtAuthz${kind}`]: { service: 'authz.example.com', port: 9000, ...more },
})
const meshOf = (...extensionProviders: object[]): string =>
  object('ConfigMap', 'v1', 'istio', 'istio-system', {
    data: { mesh: JSON.stringify({ extensionProviders }) },
  })
const mesh = meshOf(
  provider('web', 'Http', { headersToUpstreamOnAllow: ['x-role'] }),
  provider('rpc', 'Grpc', { failOpen: true }),
  provider('lost', 'Http', { service: 'nowhere.example.com' }),
)
const admin = { to: [{ operation: { paths: ['/admin*'] } }] }
const custom = (provider: string, name = 'ask', rules: object[] = [admin]): string =>
  policy(name, { action: 'CUSTOM', provider: { name: provider }, rules })

test(
  'a request that would be asked about is not decided, and says who would be asked',
  { timeout },
  async (t) => {
    const ask = await asking(t, mesh + authorizer + custom('web'))
    const {
      allowed,
      status,
      body,
      action,
      policy: by,
      rule,
      reason,
      custom: note,
    } = await ask({ path: '/admin' })
    assert.deepEqual([allowed, status, body], [false, null, null])
    assert.deepEqual(
      [action, by, rule, reason, note],
      ['CUSTOM', 'foo/ask', 0, 'custom_not_asked', 'web:not_asked'],
    )
    const other = await ask({ path: '/open' })
    assert.deepEqual([other.allowed, other.custom], [true, null])
    const wrong = await ask({ path: '/admin', custom: { provider: 'rpc', allowed: true } })
    assert.equal(wrong.reason, 'custom_not_asked', 'the answer of somebody else')
  },
)

test('an answer given with the request counts, and what it changes is judged', { timeout }, async (t) => {
  const ask = await asking(
    t,
    mesh +
      authorizer +
      custom('web') +
      policy('role', { rules: [{ when: [{ key: 'request.headers[x-role]', values: ['admin'] }] }] }),
  )
  const given = (more: object) => ask({ path: '/admin', headers: { 'x-role': 'admin' }, custom: more })
  const kept = await given({ allowed: true })
  assert.deepEqual([kept.allowed, kept.reason, kept.custom], [true, 'allow_rule', 'web:allowed'])
  assert.equal((await given({ allowed: true, removeHeaders: ['x-role'] })).reason, 'no_allow_matched')
  assert.equal((await given({ allowed: true, headers: { 'x-role': 'guest' } })).reason, 'no_allow_matched')
  const set = await ask({ path: '/admin', custom: { allowed: true, headers: { 'X-Role': 'admin' } } })
  assert.equal(set.allowed, true)
  const denied = await given({ allowed: false, status: 401, body: 'who?' })
  assert.deepEqual(
    [denied.allowed, denied.status, denied.body, denied.action, denied.reason, denied.custom],
    [false, 401, 'who?', 'CUSTOM', 'custom_denied', 'web:denied'],
  )
  const failed = await given({ error: true })
  assert.deepEqual([failed.status, failed.reason, failed.custom], [403, 'custom_error', 'web:error:given'])
})

test('a header that the provider does not pass on changes nothing', { timeout }, async (t) => {
  const ask = await asking(
    t,
    mesh +
      authorizer +
      custom('web') +
      policy('u', { rules: [{ when: [{ key: 'request.headers[x-user]', values: ['*'] }] }] }),
  )
  const answer = await ask({ path: '/admin', custom: { allowed: true, headers: { 'x-user': 'alice' } } })
  assert.equal(answer.reason, 'no_allow_matched')
})

test('a gRPC authorizer is asked about TCP, an HTTP one is not', { timeout }, async (t) => {
  const rpc = await asking(t, mesh + authorizer + custom('rpc'))
  const tcp = { protocol: 'tcp', destination: { ip: '10.0.0.2', port: 80 } }
  assert.deepEqual([(await rpc(tcp)).reason, (await rpc(tcp)).status], ['custom_not_asked', null])
  assert.equal((await rpc({ ...tcp, custom: { allowed: true } })).allowed, true)
  const denied = await rpc({ ...tcp, custom: { allowed: false } })
  assert.deepEqual([denied.allowed, denied.status, denied.reason], [false, null, 'custom_denied'])
  const open = await rpc({ ...tcp, custom: { error: true } })
  assert.deepEqual([open.allowed, open.custom], [true, 'rpc:failed_open:given'])
  const call = await rpc({
    protocol: 'grpc',
    path: '/admin.Service/Call',
    custom: { allowed: false, status: 401, body: 'no' },
  })
  assert.deepEqual([call.status, call.grpcStatus], [200, 16])
  const web = await asking(t, mesh + authorizer + custom('web'))
  assert.deepEqual([(await web(tcp)).allowed, (await web(tcp)).custom], [true, null])
})

test('a provider that cannot be asked denies what its rules match', { timeout }, async (t) => {
  for (const yaml of [custom('nobody'), custom('lost'), custom('web') + custom('rpc', 'also')]) {
    const ask = await asking(t, mesh + authorizer + yaml)
    const answer = await ask({ path: '/admin', custom: { allowed: true } })
    assert.deepEqual(
      [answer.allowed, answer.status, answer.body, answer.reason, answer.action],
      [false, 403, 'RBAC: access denied', 'bad_custom_provider', 'CUSTOM'],
    )
    assert.equal((await ask({ path: '/open' })).allowed, true)
  }
})

test('an answer that says nothing, or two things, is refused by the path of its field', () => {
  for (const [given, reason] of [
    [{}, 'custom.allowed: must be set'],
    [{ allowed: 'yes' }, 'custom.allowed: expected true or false, found "yes"'],
    [{ allowed: true, status: 204 }, 'custom.status: is of a denial: allowed must be false'],
    [{ allowd: true }, 'custom: unknown field "allowd"; did you mean "allowed"?'],
    [{ allowed: false, status: 99 }, 'custom.status: expected a whole number from 200 to 599, found 99'],
  ] as const) {
    const read = readQuestion({ custom: given })
    assert.equal(read.ok ? '' : read.reason, reason)
  }
})

test('explain names the CUSTOM rule that asks, and what the authorizer answers', { timeout }, async (t) => {
  const dir = await mkdtemp(`${tmpdir()}/sallyport-explain-`)
  t.after(() => rm(dir, { recursive: true }))
  await writeFile(`${dir}/all.yaml`, mesh + authorizer + custom('web') + policy('p', { rules: [{}] }))
  const evaluator = new Evaluator((await loadPolicyFolder(dir)).config, () => now)
  const told = async (more: object): Promise<string[]> => {
    const read = readQuestion({ workload: { namespace: 'foo' }, path: '/admin', ...more })
    assert.ok(read.ok)
    const { answer, asked } = await evaluator.evaluate(read.question)
    assert.ok(asked !== null)
    return explanationText(answer, explain(asked.policy, asked.connection, asked.request))
      .split('\n')
      .slice(0, 3)
  }
  assert.deepEqual(await told({}), [
    'UNDECIDED, custom_not_asked, path /admin',
    'authorizer web:not_asked',
    'decided by CUSTOM foo/ask rule 0',
  ])
  assert.deepEqual((await told({ custom: { allowed: false } })).slice(0, 2), [
    'REFUSED, custom_denied, status 403, path /admin',
    'authorizer web:denied',
  ])
  assert.deepEqual(await told({ custom: { allowed: true } }), [
    'ALLOWED, allow_rule, path /admin',
    'authorizer web:allowed',
    'decided by ALLOW foo/p rule 0',
  ])
})

async function warnings(t: TestContext, yaml: string): Promise<string[]> {
  const dir = await mkdtemp(`${tmpdir()}/sallyport-lint-`)
  t.after(() => rm(dir, { recursive: true }))
  await writeFile(`${dir}/all.yaml`, yaml)
  const folder = await loadPolicyFolder(dir)
  assert.deepEqual(folder.state.quarantine, [])
  return lint(folder, knownWorkloads(folder))
    .filter(({ kind }) => ['custom-provider', 'http-rule-on-tcp-port'].includes(kind))
    .map(({ message }) => message)
}

test(
  'policy check warns of CUSTOM policies that deny because nobody can be asked, or that nobody enforces',
  { timeout },
  async (t) => {
    const all = [{ from: [{ source: { ipBlocks: ['10.0.0.0/8'] } }] }]
    assert.deepEqual(await warnings(t, mesh + authorizer + custom('web', 'ask', all)), [])
    assert.deepEqual(await warnings(t, mesh + authorizer + custom('nobody', 'ask', all)), [
      'what its rules match is denied: "nobody", no such extension provider',
    ])
    assert.deepEqual(await warnings(t, mesh + authorizer + custom('lost', 'ask', all)), [
      'what its rules match is denied: "lost", no known service nowhere.example.com with port 9000',
    ])
    assert.deepEqual(
      await warnings(t, mesh + authorizer + custom('web', 'ask', all) + custom('rpc', 'also', all)),
      [
        'what its rules match is denied where foo/also names another provider',
        'what its rules match is denied where foo/ask names another provider',
      ],
    )
    const service = object('Service', 'v1', 'db', 'foo', {
      spec: { clusterIP: '10.1.0.1', selector: { app: 'db' }, ports: [{ name: 'tcp-db', port: 5432 }] },
    })
    const pod = object('Pod', 'v1', 'db-1', 'foo', {
      metadata: { name: 'db-1', namespace: 'foo', labels: { app: 'db' } },
      spec: { containers: [] },
      status: { podIP: '10.0.0.9', phase: 'Running' },
    })
    assert.deepEqual(await warnings(t, mesh + authorizer + service + pod + custom('web', 'ask', all)), [
      'spec.rules[0] has an HTTP provider and reaches TCP port 5432: nobody is asked there',
    ])
    assert.deepEqual(await warnings(t, mesh + authorizer + service + pod + custom('rpc', 'ask', all)), [])
  },
)

test('policy check warns of an authorizer that would be asked about itself', { timeout }, async (t) => {
  const guarded = (labels: object): string =>
    object('ServiceEntry', 'networking.istio.io/v1', 'authz', 'foo', {
      spec: {
        hosts: ['authz.example.com'],
        location: 'MESH_INTERNAL',
        ports: [{ number: 9000, name: 'http', protocol: 'HTTP', targetPort: 8000 }],
        resolution: 'STATIC',
        endpoints: [{ address: '10.9.9.9', labels }],
      },
    })
  const sidecar = { 'security.istio.io/tlsMode': 'istio' }
  const onPort = (port: string): string => custom('web', 'ask', [{ to: [{ operation: { ports: [port] } }] }])
  const itself = 'it selects the authorizer too, which would be asked about every question put to it'
  assert.deepEqual(await warnings(t, mesh + guarded(sidecar) + onPort('8000')), [itself])
  assert.deepEqual(await warnings(t, mesh + guarded(sidecar) + onPort('80')), [])
  assert.deepEqual(await warnings(t, mesh + guarded({}) + onPort('8000')), [])
})
