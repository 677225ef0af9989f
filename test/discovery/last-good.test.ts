import { test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { loadLastGood, saveLastGood } from '../../src/discovery/last-good.ts'
import { rawResource } from '../../src/policy/raw-resource.ts'

async function place(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-good-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'last-good.json')
}

const kept = [
  {
    source: 'a.yaml',
    resource: rawResource({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' } }, 'a.yaml:1'),
  },
]

test('what was saved is loaded, the file is for its owner only and nothing is left beside it', async (t) => {
  const path = await place(t)
  await saveLastGood(path, 'shop/web', kept, 42)
  await saveLastGood(path, 'shop/web', kept, 43)
  assert.deepEqual(await loadLastGood(path, 'shop/web'), { ok: true, savedAt: 43, resources: kept })
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(dirname(path)), ['last-good.json'])
})

test('a file that is missing, damaged, of another format or of another workload is a reason, not an error', async (t) => {
  const path = await place(t)
  const reason = async (owner = 'shop/web') => {
    const loaded = await loadLastGood(path, owner)
    return loaded.ok ? 'loaded' : loaded.reason.slice(path.length)
  }
  assert.equal(await reason(), ': ENOENT')
  await saveLastGood(path, 'shop/web', kept, 42)
  assert.match(await reason('shop/other'), /belongs to shop\/web/)
  const text = await readFile(path, 'utf8')
  await writeFile(path, text.replace('a.yaml', 'b.yaml'))
  assert.match(await reason(), /damaged/)
  await writeFile(path, text.slice(0, -20))
  assert.match(await reason(), /damaged/)
  await writeFile(path, text.replace('last-good/1', 'last-good/2'))
  assert.match(await reason(), /format/)
  for (const junk of ['', 'x', '{}', 'null\nnull', '\n\n\n']) {
    await writeFile(path, junk)
    assert.notEqual(await reason(), 'loaded')
  }
})
