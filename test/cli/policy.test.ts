import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'

const timeout = 30_000
const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function run(t: TestContext, args: readonly string[], input = ''): Promise<Ran> {
  const child = spawn(process.execPath, [main, 'policy', ...args], {
    env: { PATH: process.env['PATH'] ?? '' },
  })
  t.after(() => child.kill('SIGKILL'))
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })))
}

async function folder(t: TestContext, yaml: string): Promise<string> {
  const made = await mkdtemp(`${tmpdir()}/sallyport-policy-`)
  t.after(() => rm(made, { recursive: true }))
  await writeFile(`${made}/policy.yaml`, yaml)
  return made
}

const readers = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: shop}
spec: {rules: [{to: [{operation: {methods: [GET]}}]}]}
`
const ask = (more: object): string => JSON.stringify({ workload: { namespace: 'shop' }, ...more })
const lines = (out: string): Record<string, unknown>[] =>
  out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

test(
  'eval answers line by line in order; a line that is none is an error of its own and exit 1',
  { timeout },
  async (t) => {
    const dir = await folder(t, readers)
    const asked = [ask({}), 'nonsense', '', ask({ method: 'PUT' }), ask({ protocol: 'udp' }), ask({})].join(
      '\n',
    )
    const { code, out, err } = await run(t, ['eval', '--config', dir], asked)
    assert.equal(err, '')
    assert.equal(code, 1)
    assert.deepEqual(
      lines(out).map((line) => ('error' in line ? 'error' : line['allowed'])),
      [true, 'error', false, 'error', true],
    )
  },
)

test('a long stream is answered whole and in order', { timeout }, async (t) => {
  const dir = await folder(t, readers)
  const count = 20_000
  const asked = Array.from({ length: count }, (_, i) =>
    ask({ path: `/${i}`, method: i % 3 === 0 ? 'PUT' : 'GET' }),
  )
  const { code, out, err } = await run(t, ['eval', '--config', dir], `${asked.join('\n')}\n`)
  assert.equal(`${code} ${err}`, '0 ')
  const answers = lines(out)
  assert.equal(answers.length, count)
  assert.ok(answers.every((line, i) => line['path'] === `/${i}` && line['allowed'] === (i % 3 !== 0)))
})

test('no folder, no such folder and no such time are said in one line', { timeout }, async (t) => {
  const missing = await run(t, ['eval'])
  assert.equal(missing.code, 2)
  const nowhere = await run(t, ['eval', '--config', '/no/such/folder'])
  assert.equal(nowhere.code, 1)
  assert.match(nowhere.err, /^error: ERR_DISCOVERY_FOLDER_MISSING .*\n$/)
  const never = await run(t, ['eval', '--config', await folder(t, readers), '--now', 'soon'])
  assert.equal(never.code, 2)
  assert.match(never.err, /^error: ERR_BOOTSTRAP_NUMBER --now "soon".*\n$/)
})

test('check ends with 1 when an object is refused and with 0 on warnings', { timeout }, async (t) => {
  const good = await folder(t, readers.replace('methods: [GET]', 'paths: ["/x"]'))
  const warned = await run(t, ['check', good])
  assert.equal(warned.code, 0)
  assert.match(
    warned.out,
    /policy\.yaml:1: warning \[path-without-strict\] AuthorizationPolicy shop\/readers: /,
  )
  const broken = await folder(t, readers.replace('rules', 'rulez'))
  const refused = await run(t, ['check', broken, '--json'])
  assert.equal(refused.code, 1)
  const said = JSON.parse(refused.out) as { ok: boolean; findings: { kind: string; origin: string }[] }
  assert.equal(said.ok, false)
  assert.equal(said.findings[0]?.kind, 'refused')
  assert.match(said.findings[0]?.origin ?? '', /policy\.yaml:1$/)
})

const legacy = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
status: {podIP: 10.0.0.9}
---
apiVersion: authentication.istio.io/v1alpha1
kind: Policy
metadata: {name: web, namespace: shop}
spec:
  targets: [{name: web, ports: [{number: 80}]}]
  peers: [{mtls: }]
  origins: [{jwt: {issuer: "https://idp", jwksUri: "https://idp/keys"}}]
`

test(
  'check prints what legacy policies are today, from its first --- on as YAML that check accepts',
  { timeout },
  async (t) => {
    const { code, out } = await run(t, ['check', await folder(t, legacy)])
    assert.equal(code, 0)
    assert.match(out, /warning \[legacy-stricter\] Policy shop\/web: a token is looked at on every port/)
    assert.match(out, /^workload shop\/web-1: mTLS PERMISSIVE; tokens Policy shop\/web on 8080$/m)
    const yaml = out.slice(out.indexOf('---\n'))
    assert.match(
      yaml,
      /^---\n# in place of Policy shop\/web\napiVersion: security\.istio\.io\/v1\nkind: PeerAuthentication\n/,
    )
    for (const kind of ['PeerAuthentication', 'RequestAuthentication', 'AuthorizationPolicy'])
      assert.match(yaml, new RegExp(`^kind: ${kind}$`, 'm'))
    const again = await run(t, ['check', await folder(t, yaml), '--json'])
    assert.equal(again.code, 0, again.out)
    const said = JSON.parse((await run(t, ['check', await folder(t, legacy), '--json'])).out) as {
      legacy: { from: string[]; object: { kind: string } }[]
    }
    assert.deepEqual(
      said.legacy.map(({ from, object }) => [from, object.kind]),
      [
        [['Policy shop/web'], 'PeerAuthentication'],
        [['Policy shop/web'], 'RequestAuthentication'],
        [['Policy shop/web'], 'AuthorizationPolicy'],
      ],
    )
  },
)

const cases = `
- name: reading is allowed
  given: {workload: {namespace: shop}, method: GET}
  expect: {allowed: true, policy: shop/readers, rule: 0}
- name: writing is not
  given: {workload: {namespace: shop}, method: PUT}
  expect: {allowed: false, policy: null, miss: {field: methods}}
`

test('test marks each case and ends with 1 when one fails', { timeout }, async (t) => {
  const dir = await folder(t, readers)
  const file = `${await folder(t, '')}/cases.yaml`
  await writeFile(file, cases)
  const passed = await run(t, ['test', file, '--config', dir])
  assert.equal(passed.out, '✓ reading is allowed\n✓ writing is not\n2 passed, 0 failed\n')
  assert.equal(passed.code, 0)
  await writeFile(file, cases.replace('rule: 0', 'rule: 1'))
  const failed = await run(t, ['test', file, '--config', dir])
  assert.equal(failed.code, 1)
  assert.match(failed.out, /^✗ reading is allowed\n {4}rule: expected 1, found 0\n✓ writing is not\n/)
  await writeFile(file, cases.replace('allowed: true', 'alowed: true'))
  const misspelt = await run(t, ['test', file, '--config', dir])
  assert.equal(misspelt.code, 2)
  assert.match(misspelt.err, /^error: ERR_BOOTSTRAP_FILE .*unknown field "alowed"/)
})

test(
  'explain names the rule that decided, or the nearest miss, with what was wanted and found',
  { timeout },
  async (t) => {
    const dir = await folder(t, readers)
    const allowed = await run(t, ['explain', '--config', dir], ask({}))
    assert.equal(allowed.code, 0)
    assert.match(allowed.out, /^ALLOWED, allow_rule, path \/\ndecided by ALLOW shop\/readers rule 0\n/)
    assert.match(allowed.out, /✓ to\[0\] methods: wants "GET", found "GET"\n/)
    const refused = await run(t, ['explain', '--config', dir], ask({ method: 'PUT' }))
    assert.match(refused.out, /^REFUSED, no_allow_matched, status 403, path \/\n/)
    assert.match(
      refused.out,
      /nearest miss: shop\/readers rule 0: to\[0\] methods: wants "GET", found "PUT"\n/,
    )
    const tcp = await run(t, ['explain', '--config', dir], ask({ protocol: 'tcp' }))
    assert.match(tcp.out, /says nothing here: ALLOW shop\/readers rule 0 \(methods\)\n/)
    const nonsense = await run(t, ['explain', '--config', dir], 'nonsense')
    assert.equal(nonsense.code, 2)
    assert.match(nonsense.err, /^error: ERR_BOOTSTRAP_FILE the request on standard input: not JSON/)
  },
)
