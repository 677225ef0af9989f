/** A proxy process of its own: flags of the decision log, its file, `GET /explain` and the metrics, over plaintext requests. */
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { get } from 'node:http'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../bench/free-port.ts'
import { httpApplication } from '../support/applications.ts'

const timeout = 60_000
const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

const policy = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: open, namespace: shop}
spec: {rules: [{to: [{operation: {paths: ["/open*"]}}], when: [{key: "request.headers[x-tier]", values: [gold]}]}]}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec: {jwtRules: [{issuer: "https://idp.test", jwksUri: "http://127.0.0.1:9/keys?apikey=hidden"}]}
`

interface Answer {
  readonly status: number
  readonly body: string
}

const ask = (port: number, path: string, headers: Record<string, string> = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    }).once('error', reject)
  })

async function started(t: TestContext, flags: readonly string[]) {
  const folder = await mkdtemp(`${tmpdir()}/sallyport-decisions-`)
  t.after(() => rm(folder, { recursive: true, force: true }))
  await mkdir(`${folder}/config`)
  await writeFile(`${folder}/config/policy.yaml`, policy)
  await writeFile(
    `${folder}/workload.yaml`,
    'apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: web, namespace: shop}\n' +
      'spec: {address: 127.0.0.1, labels: {app: web}}\n',
  )
  await writeFile(`${folder}/key`, `${'k'.repeat(44)}\n`, { mode: 0o600 })
  const application = await httpApplication(t)
  const [inbound, admin, status, outbound] = await Promise.all(
    Array.from({ length: 4 }, () => freePort('127.0.0.1')),
  )
  const ports = { inbound: inbound?.port ?? 0, admin: admin?.port ?? 0 }
  const at = (port: number | undefined): string => `127.0.0.1:${port}`
  const args = ['proxy', '--workload', `${folder}/workload.yaml`, '--config', `${folder}/config`]
  args.push('--sds', `${folder}/none.sock`, '--inbound', `${at(ports.inbound)}=${at(application.port)}`)
  args.push('--admin', at(ports.admin), '--status', at(status?.port), '--outbound', at(outbound?.port))
  args.push('--access-log', 'off', ...flags.map((flag) => flag.replaceAll('FOLDER', folder)))
  const child = spawn(process.execPath, ['--no-warnings', main, ...args])
  t.after(() => child.kill('SIGKILL'))
  let said = ''
  let wake = (): void => undefined
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
    wake()
  })
  child.once('exit', () => wake())
  while (!said.includes('sidecar is up') && child.exitCode === null)
    await new Promise<void>((resolve) => (wake = resolve))
  assert.equal(child.exitCode, null, said)
  // In force within moments: nothing is served before.
  for (;;) {
    const { status: code } = await ask(ports.admin, '/ready')
    const { body } = await ask(ports.admin, '/config_status')
    if ((JSON.parse(body) as { generation: number }).generation > 0) break
    assert.equal(code, 503)
  }
  const end = async (): Promise<void> => {
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
  return { folder, ...ports, end, said: () => said }
}

test(
  'a real proxy writes its decisions to a file, explains them by request id and counts them',
  { timeout },
  async (t) => {
    const flags = ['--decision-log', 'FOLDER/decisions.jsonl', '--decision-log-sample', '100%']
    const { inbound, admin, folder, end } = await started(t, [...flags, '--decision-log-key', 'FOLDER/key'])
    const gold = { 'x-tier': 'gold' }
    assert.equal((await ask(inbound, '/open', { ...gold, 'x-request-id': 'yes' })).status, 200)
    assert.equal((await ask(inbound, '/open', { 'x-tier': 'tin', 'x-request-id': 'no' })).status, 403)

    const { status, body } = await ask(admin, '/explain?request-id=no')
    assert.equal(status, 200)
    const { decision, explanation } = JSON.parse(body) as {
      decision: Record<string, unknown>
      explanation: { miss: { policy: string; field: string; observed: unknown } }
    }
    assert.deepEqual([decision['verdict'], decision['reason']], ['denied', 'no_allow_matched'])
    assert.equal(explanation.miss.policy, 'shop/open')
    assert.deepEqual(explanation.miss.observed, ['(redacted)'])
    assert.ok(!body.includes('"tin"') && !body.includes('gold'), body)
    const words = (await ask(admin, '/explain?request-id=no&format=text')).body
    assert.match(words, /^GET "127\.0\.0\.1:\d+\/open" from plaintext \(127\.0\.0\.1:\d+\) at /)
    assert.match(
      words,
      /\nREFUSED, no_allow_matched\nnearest miss: shop\/open rule 0: when request\.headers\[x-tier\]/,
    )
    const never = await ask(admin, '/explain?request-id=never')
    assert.equal(never.status, 404)
    assert.match(never.body, /^no decision is recorded for request "never": the last refusals and 100 % /)
    const list = JSON.parse((await ask(admin, '/explain')).body) as { requestId: string }[]
    assert.deepEqual(
      list.map(({ requestId }) => requestId),
      ['no', 'yes'],
    )
    assert.ok(!(await ask(admin, '/config_dump')).body.includes('kkkk'), 'the key is nobody’s business')

    const metrics = (await ask(admin, '/stats/prometheus')).body
    for (const row of [
      'sallyport_policy_verdicts_total{verdict="allowed",reason="allow_rule",policy="shop/open"} 1',
      'sallyport_policy_verdicts_total{verdict="denied",reason="no_allow_matched",policy=""} 1',
      'sallyport_decision_log_dropped_total 0',
      'sallyport_jwks_keys{issuer="https://idp.test",source="http://127.0.0.1:9/keys"} 0',
    ])
      assert.ok(metrics.includes(`${row}\n`), `${row} is not in\n${metrics}`)
    assert.match(
      metrics,
      /sallyport_jwks_fetch_failures_total\{issuer="https:\/\/idp\.test",source="[^"]*"\} [1-9]/,
    )
    assert.ok(!metrics.includes('hidden'))
    await end()
    const lines = (await readFile(`${folder}/decisions.jsonl`, 'utf8')).trimEnd().split('\n')
    const recorded = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.deepEqual(
      recorded.map(({ requestId, verdict, sample }) => [requestId, verdict, sample]),
      [
        ['yes', 'allowed', 1],
        ['no', 'denied', 1],
      ],
    )
    for (const { values, headers } of recorded) {
      assert.match(String(values), /^hmac:/)
      assert.match(JSON.stringify(headers), /^\{"x-tier":\["hmac:[\w-]{22}"\]\}$/)
    }
  },
)

test('wrong flags of the decision log are one clear line each', { timeout }, async (t) => {
  for (const [flags, reason] of [
    [
      ['--decision-log-sample', '2'],
      /--decision-log-sample "2" is no share from 0 to 1; write it like 0\.01 or 1%/,
    ],
    [['--decision-log', '/none/such/file'], /cannot write the decision log .*ENOENT/],
    [['--decision-log-key', '/none/such/key'], /the key \/none\/such\/key is not there/],
  ] as const) {
    await assert.rejects(started(t, flags), (error: Error) => {
      assert.match(error.message, reason)
      return true
    })
  }
})
