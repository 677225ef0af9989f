import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Processes } from '../../src/demo/processes.ts'
import type { RunningMesh } from '../../src/demo/running-mesh.ts'
import { topology } from '../../src/demo/topology.ts'
import { tour, walk } from '../../src/demo/tour.ts'
import { CheckFailed } from '../../src/demo/tour/check.ts'
import { WorkingFolder } from '../../src/demo/working-folder.ts'

/** A mesh of which nothing runs. */
async function still(use: (mesh: RunningMesh) => Promise<void>): Promise<void> {
  const places = topology('127.0.1')
  const folder = await WorkingFolder.make(places)
  const log = () => assert.fail('nothing runs, nothing logs')
  try {
    await use({ topology: places, folder, processes: new Processes(), log })
  } finally {
    await folder.remove()
  }
}

test('a failed check says what was expected and seen, undoes its edits, and the tour goes on', () =>
  still(async (mesh) => {
    const before = await contents(mesh.folder)
    const lines: string[] = []
    const failed = await walk(mesh, (line) => lines.push(line), [
      {
        name: 'breaks things',
        async run({ folder }) {
          await folder.edit('more.yaml', 'x')
          await folder.edit('mesh.yaml', 'x')
          throw new CheckFailed('a gate', 'a hole')
        },
      },
      { name: 'throws', run: () => Promise.reject(new TypeError('a slip')) },
      { name: 'holds', run: () => Promise.resolve('fine') },
    ])
    assert.equal(failed, 2)
    assert.match(lines[0] ?? '', /^✗ breaks things \(\d+ ms\)\n {4}expected: a gate\n {4}seen: a hole$/)
    assert.match(lines[1] ?? '', /^✗ throws .*TypeError: a slip$/s)
    assert.match(lines[2] ?? '', /^✓ holds \(\d+ ms\)\n {4}fine$/)
    assert.deepEqual(await contents(mesh.folder), before)
  }))

test('every check of the tour has a name of its own', () => {
  assert.equal(new Set(tour.map(({ name }) => name)).size, tour.length)
})

test('the working folder is for its user alone, tokens above all', () =>
  still(async ({ folder }) => {
    await folder.writeToken('datastore', 'secret')
    const mode = async (path: string): Promise<number> => (await stat(path)).mode & 0o777
    assert.equal(await mode(folder.path), 0o700)
    assert.equal(await mode(folder.token('datastore')), 0o600)
  }))

async function contents(folder: WorkingFolder): Promise<Record<string, string>> {
  const names = (await readdir(folder.config)).toSorted()
  const texts = await Promise.all(names.map((name) => readFile(join(folder.config, name), 'utf8')))
  return Object.fromEntries(names.map((name, index) => [name, texts[index] ?? '']))
}
