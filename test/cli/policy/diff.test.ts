import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Progress } from '../../../src/cli/policy/progress.ts'
import { recordedConsent } from '../../../src/cli/policy/recorded-consent.ts'
import { readRecorded } from '../../../src/cli/policy/recorded-decision.ts'
import type { Recorded } from '../../../src/cli/policy/recorded-decision.ts'
import { recordedToken } from '../../../src/cli/policy/recorded-token.ts'
import { loadPolicyFolder } from '../../../src/cli/policy/load-policy-folder.ts'
import { Replay } from '../../../src/cli/policy/replay.ts'
import { linesOf, longestLine } from '../../../src/cli/policy/lines-of.ts'
import type { AuthorizerSet } from '../../../src/ext-authz/providers.ts'
import { tokenRules } from '../../../src/jwt/token-rules.ts'
import type { DecisionLine } from '../../../src/telemetry/decision-line.ts'
import { ValueVeil } from '../../../src/telemetry/value-veil.ts'
import { authentication, jwtRule } from '../../jwt/issuer.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const timeout = 30_000
const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url))
const key = 'k'.repeat(44)

/** An allowed GET by plaintext, where nothing else is said. */
const base: DecisionLine = {
  v: 1,
  generation: 1,
  workload: { namespace: 'shop', name: 'web', labels: { app: 'web' } },
  time: '2026-01-02T03:04:05.000Z',
  event: 'request',
  source: { principal: null, ip: '10.0.0.1', port: 4000, remoteIp: '10.0.0.1' },
  destination: { ip: '10.1.0.1', port: 8080 },
  sni: null,
  mtls: 'PERMISSIVE',
  protocol: 'http',
  requestId: 'r',
  method: 'GET',
  host: 'web',
  path: '/',
  headers: {},
  claims: null,
  asked: [],
  values: 'redacted',
  token: 'none',
  bears: [],
  tokenRules: null,
  tokenHeaders: [],
  normalization: 'BASE',
  authorizer: null,
  unread: false,
  verdict: 'allowed',
  action: null,
  policy: null,
  rule: null,
  reason: 'no_allow_policy',
  miss: null,
  shadow: [],
  audit: [],
  sample: 1,
}
const line = (more: Partial<DecisionLine> = {}): string => JSON.stringify({ ...base, ...more })
const recorded = (more: Partial<DecisionLine> = {}): Recorded => {
  const read = readRecorded(line(more))
  assert.ok(read.ok, 'reason' in read ? read.reason : '')
  return read.recorded
}

const policy = (name: string, spec: string): string =>
  `---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ${name}, namespace: shop}\nspec: ${spec}\n`
const readers = policy('readers', '{rules: [{to: [{operation: {methods: [GET]}}]}]}')
const noAdmin = policy('no-admin', '{action: DENY, rules: [{to: [{operation: {paths: ["/admin*"]}}]}]}')

async function folder(t: TestContext): Promise<string> {
  const made = await mkdtemp(`${tmpdir()}/sallyport-diff-`)
  t.after(() => rm(made, { recursive: true }))
  return made
}

async function written(t: TestContext, yaml: string): Promise<string> {
  const made = await folder(t)
  await mkdir(`${made}/config`)
  await writeFile(`${made}/config/policy.yaml`, yaml)
  return `${made}/config`
}

const replayOf = async (t: TestContext, yaml: string): Promise<Replay> =>
  new Replay((await loadPolicyFolder(await written(t, yaml))).config, null)

function run(t: TestContext, args: readonly string[], input = '', memory: readonly string[] = []) {
  const child = spawn(process.execPath, ['--no-warnings', ...memory, main, 'policy', ...args])
  t.after(() => child.kill('SIGKILL'))
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  return new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, out, err })),
  )
}

test(
  'what changes is printed in groups with what decided before and after, counted and made up for sampling',
  { timeout },
  async (t) => {
    const [old, proposed] = [await written(t, readers), await written(t, readers + noAdmin)]
    const log = [
      line({ path: '/admin/a', sample: 0.01 }),
      line({ path: '/admin/"b"', sample: 0.01 }),
      line({ path: '/open', sample: 0.01 }),
      line({ path: '/open', method: 'PUT', verdict: 'denied', reason: 'no_allow_matched' }),
    ].join('\n')
    const args = ['diff', old, proposed, '--log', '-']
    const { code, out, err } = await run(t, args, `${log}\n`)
    assert.equal(err, '')
    assert.equal(code, 1)
    assert.equal(
      out,
      'allowed → denied: 2 decisions recorded, about 200 made\n' +
        '  shop/web http: was ALLOW shop/readers rule 0, is DENY shop/no-admin rule 0: 2 decisions recorded, about 200 made\n' +
        '    line 1: plaintext 10.0.0.1 GET "web/admin/a"\n' +
        '    line 2: plaintext 10.0.0.1 GET "web/admin/\\"b\\""\n' +
        '4 decisions: 2 changes, 2 the same\n',
    )
    const json = await run(t, [...args, '--json'], `${log}\n`)
    const found = JSON.parse(json.out) as { changed: number; groups: { change: string; estimated: number }[] }
    assert.deepEqual(
      [json.code, found.changed, found.groups.map(({ change, estimated }) => [change, estimated])],
      [1, 2, [['allowed-to-denied', 200]]],
    )
    const back = await run(t, ['diff', proposed, old, '--log', '-'], `${log}\n`)
    assert.match(back.out, /^denied → allowed: 2 decisions/)
  },
)

test(
  'nothing that changes is exit code 0; another rule that decides alike is told on demand',
  { timeout },
  async (t) => {
    const renamed = await written(t, readers.replace('name: readers', 'name: everybody'))
    const file = `${await folder(t)}/decisions.jsonl`
    await writeFile(
      file,
      `${line({ action: 'ALLOW', policy: 'shop/readers', rule: 0, reason: 'allow_rule' })}\n`,
    )
    const quiet = await run(t, ['diff', renamed, '--log', file])
    assert.deepEqual(
      [quiet.code, quiet.out],
      [0, '1 decision: 0 changes, 1 decided alike by another rule, 0 the same\n'],
    )
    const { code, out } = await run(t, ['diff', renamed, '--log', file, '--verbose'])
    assert.equal(code, 0)
    assert.match(out, /was ALLOW shop\/readers rule 0, is ALLOW shop\/everybody rule 0/)
  },
)

test('with one folder the log’s own verdicts stand for what was', { timeout }, async (t) => {
  const proposed = await written(t, noAdmin)
  const { code, out } = await run(t, ['diff', proposed, '--log', '-'], `${line({ path: '/admin' })}\n`)
  assert.equal(code, 1)
  assert.match(out, /was no_allow_policy, is DENY shop\/no-admin rule 0/)
})

const tiers = policy('tiers', '{rules: [{when: [{key: "request.headers[x-tier]", values: [gold, "pla*"]}]}]}')

test(
  'what the log does not tell makes a line undecidable where it matters, and a key may tell it',
  { timeout },
  async (t) => {
    const proposed = await written(t, tiers)
    const file = `${await folder(t)}/key`
    await writeFile(file, key, { mode: 0o600 })
    const asked = ['request.headers[x-tier]']
    const veil = new ValueVeil(false, Buffer.from(key))
    const tier = (value: string) => ({
      asked,
      values: veil.name,
      headers: { 'x-tier': [veil.header('x-tier', value)] },
    })
    const log = [
      line({ asked, headers: { 'x-tier': ['(redacted)'] } }),
      line({ asked }),
      line(),
      line(tier('gold')),
      line(tier('platinum')),
    ].join('\n')
    const without = await run(t, ['diff', proposed, '--log', '-', '--strict'], log)
    assert.equal(without.code, 1)
    assert.match(without.out, /undecidable: 4 decisions: the log does not tell request\.headers\[x-tier\]\n/)
    assert.match(without.out, /5 decisions: 1 change, 0 the same, 4 undecidable\n$/)
    const { out } = await run(t, ['diff', proposed, '--log', '-', '--key', file], log)
    assert.match(out, /5 decisions: 1 change, 1 decided alike by another rule, 0 the same, 3 undecidable\n$/)
  },
)

test(
  'a line that is no decision is named and exit code 2; one that is still being written is not',
  { timeout },
  async (t) => {
    const proposed = await written(t, readers)
    const log = [
      line(),
      'nonsense',
      line({ v: 2 as 1 }),
      line({ verdict: 'maybe' as 'denied' }),
      '',
      line().slice(0, 80),
    ]
    const { code, out } = await run(t, ['diff', proposed, '--log', '-'], log.join('\n'))
    assert.equal(code, 2)
    assert.match(out, /line 2 cannot be read: not JSON\n/)
    assert.match(out, /line 3 cannot be read: v: expected 1, found 2\n/)
    assert.match(out, /line 4 cannot be read: verdict: expected one of allowed, denied/)
    assert.match(out, /1 decision: .* 3 lines unreadable\n$/)
  },
)

test('what cannot be read at all is one clear line', { timeout }, async (t) => {
  const proposed = await written(t, readers)
  for (const [args, reason] of [
    [
      ['diff', proposed, '--log', '/none/such'],
      /^error: ERR_BOOTSTRAP_FILE the decision log \/none\/such cannot be read \(ENOENT\)/,
    ],
    [['diff', proposed], /--log/],
    [
      ['diff', proposed, proposed, proposed, '--log', '-'],
      /^error: ERR_BOOTSTRAP_CHOICE 3 folders are named/,
    ],
    [['diff', '/none/such', '--log', '-'], /^error: ERR_DISCOVERY_FOLDER_MISSING/],
  ] as const) {
    const { code, out, err } = await run(t, args)
    assert.notEqual(code, 0)
    assert.equal(out, '')
    assert.match(err, reason)
    assert.ok(!err.includes('    at '), err)
  }
})

test(
  'a long log is streamed: a hundred thousand lines in a bounded memory',
  { timeout: 120_000 },
  async (t) => {
    const proposed = await written(t, readers + noAdmin)
    const file = `${await folder(t)}/decisions.jsonl`
    const block = Array.from(
      { length: 1000 },
      (_, i) => `${line({ path: i === 7 ? '/admin' : `/p${i}` })}\n`,
    ).join('')
    for (let i = 0; i < 100; i++) await appendFile(file, block)
    const { code, out } = await run(t, ['diff', proposed, '--log', file])
    assert.equal(code, 1)
    assert.match(out, /100,000 decisions: 100 changes, /)
  },
)

test(
  'a refused object of the proposed folder is said, and denies what it selects',
  { timeout },
  async (t) => {
    const proposed = await written(t, policy('broken', '{rules: [{form: []}]}'))
    const { code, out, err } = await run(t, ['diff', proposed, '--log', '-'], `${line()}\n`)
    assert.equal(code, 1)
    assert.match(err, /1 refused; they close what they are about/)
    assert.match(out, /is quarantined_policy shop\/broken/)
  },
)

test('connections are judged again by TCP’s rules, and by the mode of their port', { timeout }, async (t) => {
  const tcp: Partial<DecisionLine> = {
    event: 'connection',
    protocol: 'tcp',
    requestId: null,
    method: null,
    host: null,
    path: null,
    headers: null,
    token: null,
    normalization: null,
  }
  const strict =
    'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p, namespace: shop}\nspec: {mtls: {mode: STRICT}}\n'
  const told = async (yaml: string, more: Partial<DecisionLine> = {}): Promise<unknown> => {
    const found = (await replayOf(t, yaml)).judge(recorded({ ...tcp, ...more }))
    return found.kind === 'decided'
      ? found.verdict.reason
      : found.kind === 'either-way'
        ? found.allowed
        : found.missing
  }
  assert.equal(await told(noAdmin), 'deny_rule', 'a DENY rule loses its path and widens')
  assert.equal(await told(readers), 'no_allow_matched')
  assert.equal(await told(strict), 'plaintext_refused')
  assert.deepEqual(await told(strict, { mtls: 'DISABLE' }), ['source.principal'])
  const refused = { reason: 'plaintext_refused', verdict: 'denied', mtls: 'STRICT' } as const
  assert.deepEqual(await told(readers, refused), ['what was asked for'])
  assert.equal(await told(policy('none', '{}'), refused), false, 'whatever it was')
})

test(
  'an authorizer says again what it said, and nobody knows what it would have said',
  { timeout: 5000 },
  () => {
    const settings = (failOpen: boolean): AuthorizerSet =>
      ({
        find: (name: string) =>
          name === 'opa' ? { ok: true, provider: { settings: { failOpen } } } : { ok: false },
      }) as unknown as AuthorizerSet
    const rule = {
      provider: 'opa',
      kind: 'http',
      policy: 'shop/ask',
      rule: 0,
      ruleId: 'id',
      refusal: null,
    } as const
    const said = (
      authorizer: string | null,
      failOpen = false,
      more: Partial<DecisionLine> = {},
      named = 'opa',
    ) => {
      const consent = recordedConsent(
        { ...rule, provider: named },
        recorded({ authorizer, ...more }),
        settings(failOpen),
      )
      return typeof consent === 'string' ? consent : consent.reason
    }
    assert.equal(recordedConsent(null, recorded(), settings(false)), 'passes')
    assert.equal(said('opa:allowed'), 'passes')
    assert.equal(said('opa:denied'), 'custom_denied')
    assert.equal(said('opa:body_too_large'), 'custom_body_too_large')
    assert.equal(said('opa:failed_open:timeout', true), 'passes')
    assert.equal(said('opa:failed_open:timeout', false), 'custom_error')
    assert.equal(said('opa:error:timeout', false), 'custom_error')
    assert.equal(said('opa:error:timeout', true), 'unknown')
    for (const other of [null, 'opal:allowed', 'other:allowed', 'opa:something'])
      assert.equal(said(other), 'unknown', String(other))
    assert.equal(said('gone:allowed', false, {}, 'gone'), 'custom_error', 'a provider that is not there')
  },
)

test('of a token only its absence can be told where the rules differ', { timeout: 5000 }, () => {
  const state = (more: Partial<DecisionLine>, fields: Parameters<typeof jwtRule>[0] = {}) => {
    const authentications = [authentication(jwtRule(fields))]
    const { request } = recorded({ tokenRules: 'other', ...more })
    assert.ok(request !== null)
    return recordedToken(request, tokenRules(authentications, []), authentications)
  }
  assert.equal(state({}), 'none')
  assert.equal(state({}, { presence: 'REQUIRED' }), 'missing')
  assert.equal(state({ method: 'OPTIONS' }, { presence: 'REQUIRED' }), 'unknown')
  assert.equal(state({ bears: ['authorization'] }), 'unknown')
  assert.equal(state({ bears: ['access_token'] }), 'unknown')
  assert.equal(state({ bears: ['cookie'] }), 'none')
  assert.equal(state({ bears: ['cookie'] }, { fromCookies: ['t'] }), 'unknown')
  assert.equal(state({}, { fromHeaders: [{ name: 'x-token', prefix: '' }] }), 'unknown', 'not recorded')
  const known = { asked: ['request.headers[x-token]'] }
  assert.equal(state(known, { fromHeaders: [{ name: 'x-token', prefix: '' }] }), 'none', 'recorded as absent')
  assert.equal(state({ path: '/?(redacted)' }, { fromParams: ['t'] }), 'unknown')
  assert.equal(state({ path: '/' }, { fromParams: ['t'] }), 'none')
})

test('progress is one line that is written over on a terminal, and a plain one now and then elsewhere', () => {
  for (const [isTTY, expected] of [
    [true, '\r\x1b[K3\r\x1b[K6\r\x1b[K'],
    [false, '53\n'],
  ] as const) {
    const clock = new ManualClock()
    let text = ''
    const progress = new Progress({ isTTY, write: (more) => (text += more) }, clock)
    for (let i = 0; i < (isTTY ? 6 : 60); i++) {
      clock.advance(isTTY ? 70 : 190)
      progress.tell(() => String(i + 1))
    }
    progress.end()
    progress.end()
    assert.equal(text, expected)
  }
})

test('lines come one at a time, and one that is too long does not stop the others', async () => {
  const chunks = ['a\nb', 'c\n', 'x'.repeat(longestLine), 'y\n', 'x'.repeat(longestLine + 1), 'y', 'z\nlast']
  const found: unknown[] = []
  // A failure must not print four million letters.
  for await (const { text, ended } of linesOf(Readable.from(chunks)))
    found.push([text !== null && text.length > 10 ? 'long' : text, ended])
  assert.deepEqual(found, [
    ['a', true],
    ['bc', true],
    [null, true],
    [null, true],
    ['last', false],
  ])
})
