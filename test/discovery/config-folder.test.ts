import { test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigFolder } from '../../src/discovery/config-folder.ts'
import type { ConfigFile } from '../../src/discovery/read-folder.ts'
import { systemClock } from '../../src/lifecycle/clock.ts'

const policy = (name: string) =>
  `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ${name}, namespace: shop}\nspec: {}\n`

const names = (files: readonly ConfigFile[]) =>
  files.flatMap((file) => file.resources.map((resource) => resource.meta.name))

interface Watched {
  readonly root: string
  readonly folder: ConfigFolder
  readonly troubles: (string | null)[]
  /** Resolves when the files, or what was reported, satisfy `done`. */
  until(done: () => boolean): Promise<void>
}

async function watched(t: TestContext, prepare: (root: string) => Promise<void>): Promise<Watched> {
  const base = await mkdtemp(join(tmpdir(), 'sallyport-folder-'))
  const root = join(base, 'config')
  await mkdir(root)
  await prepare(root)
  const troubles: (string | null)[] = []
  let check = () => undefined as void
  const folder = await ConfigFolder.open(
    root,
    {
      clock: systemClock,
      changed: () => check(),
      trouble: (reason) => {
        troubles.push(reason)
        check()
      },
    },
    { debounce: { quietMs: 20, longestMs: 500 }, retryMs: 20 },
  )
  // The clock's timers let the process go; this one keeps it while the test waits for the file system.
  const alive = setInterval(() => undefined, 1000)
  t.after(async () => {
    clearInterval(alive)
    await folder.close()
    await rm(base, { recursive: true, force: true })
  })
  const until = (done: () => boolean) =>
    new Promise<void>((resolve) => {
      check = () => {
        if (!done()) return
        check = () => undefined
        resolve()
      }
      check()
    })
  return { root, folder, troubles, until }
}

const bounded = { timeout: 10_000 }

test('a folder is read recursively, sorted, YAML and JSON, without hidden files', bounded, async (t) => {
  const { folder } = await watched(t, async (root) => {
    await mkdir(join(root, 'b'))
    await writeFile(join(root, 'b', 'two.yml'), policy('two'))
    await writeFile(join(root, 'one.yaml'), policy('one'))
    await writeFile(join(root, 'z.json'), '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"three"}}')
    await writeFile(join(root, '.hidden.yaml'), policy('hidden'))
    await writeFile(join(root, 'notes.txt'), 'nothing')
    await symlink(root, join(root, 'loop'))
  })
  assert.deepEqual(names(folder.files), ['two', 'one', 'three'])
})

test('a missing folder is an error with a code', bounded, async () => {
  const deps = { clock: systemClock, changed: () => undefined, trouble: () => undefined }
  await assert.rejects(ConfigFolder.open(join(tmpdir(), 'sallyport-does-not-exist'), deps), {
    code: 'ERR_DISCOVERY_FOLDER_MISSING',
  })
})

test('a file written in place is seen', bounded, async (t) => {
  const { root, folder, until } = await watched(t, (root) => writeFile(join(root, 'a.yaml'), policy('old')))
  await writeFile(join(root, 'a.yaml'), policy('new'))
  await until(() => names(folder.files).join() === 'new')
})

test('a file written in parts ends up whole', bounded, async (t) => {
  const { root, folder, until } = await watched(t, (root) => writeFile(join(root, 'a.yaml'), policy('old')))
  const text = policy('whole')
  await writeFile(join(root, 'a.yaml'), text.slice(0, 40))
  await writeFile(join(root, 'a.yaml'), text)
  await until(() => names(folder.files).join() === 'whole')
})

test('a file replaced by rename, as editors do, is seen', bounded, async (t) => {
  const { root, folder, until } = await watched(t, (root) => writeFile(join(root, 'a.yaml'), policy('old')))
  await writeFile(join(root, '.a.yaml.swp'), policy('new'))
  await rename(join(root, '.a.yaml.swp'), join(root, 'a.yaml'))
  await until(() => names(folder.files).join() === 'new')
  await writeFile(join(root, '.a.yaml.swp'), policy('newer'))
  await rename(join(root, '.a.yaml.swp'), join(root, 'a.yaml'))
  await until(() => names(folder.files).join() === 'newer')
})

test('a file deleted is gone, created again is back', bounded, async (t) => {
  const { root, folder, until } = await watched(t, (root) => writeFile(join(root, 'a.yaml'), policy('old')))
  await unlink(join(root, 'a.yaml'))
  await until(() => folder.files.length === 0)
  await writeFile(join(root, 'a.yaml'), policy('again'))
  await until(() => names(folder.files).join() === 'again')
})

test('a new subfolder and its files are seen', bounded, async (t) => {
  const { root, folder, until } = await watched(t, () => Promise.resolve())
  await mkdir(join(root, 'sub'))
  await writeFile(join(root, 'sub', 'a.yaml'), policy('sub'))
  await until(() => names(folder.files).join() === 'sub')
  await writeFile(join(root, 'sub', 'b.yaml'), policy('second'))
  await until(() => names(folder.files).join() === 'sub,second')
})

test(
  'the swap of a ..data link is seen, time after time, and files behind it count once',
  bounded,
  async (t) => {
    const swap = async (root: string, stamp: string, name: string) => {
      await mkdir(join(root, `..${stamp}`))
      await writeFile(join(root, `..${stamp}`, 'a.yaml'), policy(name))
      await symlink(`..${stamp}`, join(root, '..data_tmp'))
      await rename(join(root, '..data_tmp'), join(root, '..data'))
    }
    const { root, folder, until } = await watched(t, async (root) => {
      await swap(root, '2026_01', 'first')
      await symlink('..data/a.yaml', join(root, 'a.yaml'))
    })
    assert.deepEqual(names(folder.files), ['first'])
    await swap(root, '2026_02', 'second')
    await rm(join(root, '..2026_01'), { recursive: true })
    await until(() => names(folder.files).join() === 'second')
    await swap(root, '2026_03', 'third')
    await rm(join(root, '..2026_02'), { recursive: true })
    await until(() => names(folder.files).join() === 'third')
  },
)

test(
  'a folder that goes away is reported, its files stand, and it is watched again when back',
  bounded,
  async (t) => {
    const { root, folder, troubles, until } = await watched(t, (root) =>
      writeFile(join(root, 'a.yaml'), policy('kept')),
    )
    await rename(root, `${root}-away`)
    await until(() => troubles.length > 0)
    assert.match(troubles[0] ?? '', /cannot be read: ENOENT/)
    assert.deepEqual(names(folder.files), ['kept'])
    await mkdir(root)
    await writeFile(join(root, 'b.yaml'), policy('back'))
    await until(() => troubles.at(-1) === null && names(folder.files).join() === 'back')
    await writeFile(join(root, 'b.yaml'), policy('later'))
    await until(() => names(folder.files).join() === 'later')
  },
)

test('a file that cannot be decoded as text is a problem of that file alone', bounded, async (t) => {
  const { folder } = await watched(t, async (root) => {
    await writeFile(join(root, 'a.yaml'), Buffer.from([0xff, 0xfe, 0x00]))
    await writeFile(join(root, 'b.yaml'), policy('good'))
    await symlink('nowhere.yaml', join(root, 'c.yaml'))
  })
  assert.deepEqual(names(folder.files), ['good'])
  assert.deepEqual(
    folder.files.map((file) => file.problems.length),
    [1, 0, 1],
  )
})
