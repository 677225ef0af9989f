import { test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FolderSource } from '../../src/discovery/folder-source.ts'
import type { Snapshot } from '../../src/discovery/snapshot.ts'
import { systemClock } from '../../src/lifecycle/clock.ts'

const workload = {
  name: 'web',
  namespace: 'shop',
  serviceAccount: 'web',
  labels: { app: 'web' },
  addresses: ['10.0.0.1'],
}
const policy = (spec: string) => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: a, namespace: shop}
spec: ${spec}
`
const good = policy('{action: DENY, rules: [{to: [{operation: {ports: ["80"]}}]}]}')
const bad = policy('{rules: [{bogus: 1}]}')

async function folder(t: TestContext): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'sallyport-source-'))
  const alive = setInterval(() => undefined, 1_000)
  t.after(async () => {
    clearInterval(alive)
    await rm(root, { recursive: true, force: true })
  })
  return root
}

function open(root: string, lastGood: string | null = null) {
  const debounce = { quietMs: 10, longestMs: 200 }
  return FolderSource.open(root, { clock: systemClock }, { workload, lastGood, debounce })
}

const until = (source: FolderSource, done: (snapshot: Snapshot) => boolean) =>
  new Promise<Snapshot>((resolve) => {
    source.snapshots.subscribe((snapshot) => {
      if (done(snapshot)) resolve(snapshot)
    })
  })

const bounded = { timeout: 10_000 }

test(
  'a sidecar beside a folder has a snapshot when opened and a new one after each change',
  bounded,
  async (t) => {
    const root = await folder(t)
    await writeFile(join(root, 'a.yaml'), good)
    const source = await open(root)
    t.after(() => source.close())
    assert.equal(source.snapshots.value?.generation, 1)
    await writeFile(join(root, 'mesh.yaml'), 'trustDomain: td.test')
    const next = await until(source, (snapshot) => snapshot.mesh.trustDomain === 'td.test')
    assert.equal(next.generation, 2)
    await writeFile(join(root, 'a.yaml'), bad)
    const kept = await until(source, (snapshot) => snapshot.quarantine.length === 1)
    assert.equal(kept.quarantine[0]?.lastGood, true)
    assert.equal(kept.authorizationPolicies[0]?.quarantined, null)
    assert.equal(source.status().connected, true)
  },
)

test('an empty folder is a configuration too', bounded, async (t) => {
  const source = await open(await folder(t))
  t.after(() => source.close())
  assert.deepEqual(source.snapshots.value?.authorizationPolicies, [])
  assert.equal(source.snapshots.value.defaultMtls, 'PERMISSIVE')
})

test('a missing folder is refused at the start', bounded, async () => {
  await assert.rejects(open(join(tmpdir(), 'sallyport-nowhere')), { code: 'ERR_DISCOVERY_FOLDER_MISSING' })
})

test('a good version survives a restart that finds a bad one', bounded, async (t) => {
  const root = await folder(t)
  const lastGood = join(root, 'kept', 'last-good')
  // Kept where the folder reader does not look: the name is no configuration file's.
  const file = join(root, 'last-good')
  await writeFile(join(root, 'a.yaml'), good)
  const first = await open(root, file)
  await first.close()
  await writeFile(join(root, 'a.yaml'), bad)
  const second = await open(root, file)
  assert.equal(second.snapshots.value?.authorizationPolicies[0]?.quarantined, null)
  assert.equal(second.snapshots.value.quarantine[0]?.lastGood, true)
  await second.close()
  const unwritable = await open(root, lastGood)
  assert.notEqual(unwritable.snapshots.value?.authorizationPolicies[0]?.quarantined, null)
  await unwritable.close()
})
