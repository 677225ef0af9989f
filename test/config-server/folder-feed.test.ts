import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FolderFeed } from '../../src/config-server/folder-feed.ts'
import { ResourceStore } from '../../src/config-server/resource-store.ts'
import { openEnvelope } from '../../src/discovery/mcp-resource.ts'
import { destinationRuleType } from '../../src/discovery/resource-type.ts'
import { systemClock } from '../../src/lifecycle/clock.ts'

const rule = (name: string, exportTo: string) => `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}, namespace: bank}
spec: {host: ${name}.test, exportTo: [${exportTo}], trafficPolicy: {tls: {mode: DISABLE}}}
`

test('the store holds the folder, each namespace its own part of it', { timeout: 10_000 }, async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'sallyport-feed-'))
  const alive = setInterval(() => undefined, 1_000)
  await writeFile(
    join(root, 'a.yaml'),
    rule('public', '"*"') + rule('private', '"."') + rule('third', 'shop'),
  )
  const store = new ResourceStore()
  const options = { lastGood: null, debounce: { quietMs: 10, longestMs: 100 } }
  const feed = await FolderFeed.open(root, { clock: systemClock, store }, options)
  t.after(async () => {
    clearInterval(alive)
    await feed.close()
    await rm(root, { recursive: true, force: true })
  })
  const seen = (namespace: string) =>
    store
      .view(destinationRuleType.typeUrl, namespace)
      .resources.map((any) => {
        const raw = openEnvelope(destinationRuleType, any, 's')
        assert.ok(typeof raw !== 'string')
        const spec = raw.object['spec'] as { trafficPolicy?: unknown }
        return `${raw.meta.name}${spec.trafficPolicy === undefined ? ' bare' : ''}`
      })
      .toSorted()
  assert.deepEqual(seen('bank'), ['private', 'public', 'third'])
  assert.deepEqual(seen('shop'), ['public', 'third'])
  // That it is there must be known: it hides less exact rules of its namespace.
  assert.deepEqual(seen('zoo'), ['public', 'third bare'])
  const before = store.view(destinationRuleType.typeUrl, 'zoo').version
  const changed = new Promise<void>((resolve) => void store.onChange(resolve))
  await writeFile(join(root, 'a.yaml'), rule('public', '"*"'))
  await changed
  assert.deepEqual(seen('zoo'), ['public'])
  assert.notEqual(store.view(destinationRuleType.typeUrl, 'zoo').version, before)
  assert.equal(feed.mesh?.trustDomain, 'cluster.local')
})

test('a feed that cannot be opened leaves no watch behind', { timeout: 10_000 }, async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'sallyport-feed-'))
  t.after(() => rm(root, { recursive: true, force: true }))
  class FullStore extends ResourceStore {
    override update(): void {
      throw new Error('no room')
    }
  }
  const watches = (): number =>
    process.getActiveResourcesInfo().filter((name) => name === 'FSEventWrap').length
  const before = watches()
  const opening = FolderFeed.open(root, { clock: systemClock, store: new FullStore() }, { lastGood: null })
  await assert.rejects(opening, /no room/)
  // A closed handle is counted until the event loop has come round.
  for (let turn = 0; turn < 100 && watches() > before; turn += 1)
    await new Promise((resolve) => setImmediate(resolve))
  assert.equal(watches(), before)
})
