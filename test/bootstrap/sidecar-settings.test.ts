import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { BootstrapError } from '../../src/bootstrap/bootstrap-error.ts'
import { sidecarSettings } from '../../src/bootstrap/sidecar-settings.ts'
import type { SidecarFlags } from '../../src/bootstrap/sidecar-settings.ts'

const pod = {
  POD_NAME: 'web-1',
  POD_NAMESPACE: 'shop',
  INSTANCE_IP: '10.0.0.7,fd00::7',
  SERVICE_ACCOUNT: 'web',
}
const proxy = { agent: false, proxy: true }
const settings = (flags: SidecarFlags = {}, env: Record<string, string> = pod) =>
  sidecarSettings({ config: '/etc/mesh', ...flags }, env, proxy)

function entry(t: TestContext, text: string): string {
  const folder = mkdtempSync(`${tmpdir()}/sallyport-own-`)
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(`${folder}/w.yaml`, text)
  return `${folder}/w.yaml`
}

const workloadEntry = (spec: string): string =>
  `apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: web, namespace: shop}\nspec: ${spec}\n`

const refuses = (make: () => unknown, message: RegExp): void =>
  assert.throws(make, (error: unknown) => {
    assert.ok(error instanceof BootstrapError, String(error))
    assert.match(error.message, message)
    return true
  })

test('a pod is known by its environment, both addresses and the account included', () => {
  const { workload } = settings()
  assert.deepEqual(
    [workload.name, workload.namespace, workload.serviceAccount, workload.addresses],
    ['web-1', 'shop', 'web', ['10.0.0.7', 'fd00::7']],
  )
})

test('without interception we listen on loopback only, and with it the kernel is asked on every address', () => {
  const plain = settings()
  assert.deepEqual(plain.dataplane.outbound, [{ address: '127.0.0.1', port: 15001 }])
  assert.deepEqual(plain.dataplane.inboundCapture, [])
  assert.equal(plain.dataplane.interception, 'NONE')
  const captured = settings({ capture: true })
  assert.deepEqual(captured.dataplane.outbound, [{ address: '0.0.0.0', port: 15001 }])
  assert.equal(captured.dataplane.interception, 'REDIRECT')
  for (const { admin, dataplane } of [plain, captured]) {
    assert.deepEqual(admin, { address: '127.0.0.1', port: 15000 })
    for (const port of [15000, 15001, 15006, 15021])
      assert.ok(dataplane.ownPorts.includes(port), String(port))
  }
})

test('explicit listeners are the workload’s address unless they say otherwise', () => {
  const { inboundMappings } = settings({
    inbound: ['8080=127.0.0.1:18080', '127.0.1.2:81=127.0.0.1:82'],
  }).dataplane
  assert.deepEqual(inboundMappings, [
    { listen: { address: '10.0.0.7', port: 8080 }, target: { address: '127.0.0.1', port: 18080 } },
    { listen: { address: '127.0.1.2', port: 81 }, target: { address: '127.0.0.1', port: 82 } },
  ])
})

test('what is missing is named with what to give', () => {
  refuses(() => sidecarSettings({}, pod, proxy), /configuration comes from/)
  refuses(() => sidecarSettings({}, pod, { agent: true, proxy: false }), /signs certificates/)
  refuses(() => settings({}, {}), /this workload is unknown/)
  refuses(() => settings({ workload: '/no/such/file' }), /cannot read \/no\/such\/file: ENOENT/)
  refuses(() => settings({}, { ...pod, INSTANCE_IP: 'localhost' }), /"localhost" is no IP address/)
})

test('a port shared by threads is bound by all, and by one alone it is not', () => {
  assert.equal(settings({ concurrency: '1' }).dataplane.reusePort, false)
  assert.equal(settings({ concurrency: '2' }).dataplane.reusePort, true)
})

test('a WorkloadEntry says who we are, and one that policy could not match is refused', (t) => {
  const good = settings({
    workload: entry(
      t,
      workloadEntry('{address: 127.0.0.9, serviceAccount: api, labels: {app: web, version: "1"}}'),
    ),
  }).workload
  assert.deepEqual(
    [good.serviceAccount, good.labels, good.addresses],
    ['api', { app: 'web', version: '1' }, ['127.0.0.9']],
  )
  const bad = (spec: string) => () => settings({ workload: entry(t, workloadEntry(spec)) })
  refuses(bad('{address: 127.0.0.9, labels: {version: 1}}'), /spec\.labels\.version: expected text/)
  refuses(bad('{address: 127.0.0.9, labels: [app]}'), /spec\.labels: expected a map/)
  refuses(bad('{address: 127.0.0.9, serviceAccount: 7}'), /spec\.serviceAccount: expected text/)
  refuses(bad('{labels: {app: web}}'), /spec\.address/)
  refuses(
    () => settings({ workload: entry(t, 'kind: Pod\napiVersion: v1\nmetadata: {name: a}\n') }),
    /no WorkloadEntry/,
  )
})
