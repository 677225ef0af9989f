import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { AccessLines } from '../../src/demo/access-lines.ts'
import { eventually } from '../../src/demo/eventually.ts'

test('lines cut anywhere are read whole, other output is left to the file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'access-lines-'))
  const file = join(folder, 'access.jsonl')
  try {
    const stream = new PassThrough()
    const lines = new AccessLines(stream, file)
    const heard: string[] = []
    lines.subscribe(({ path }) => heard.push(path ?? ''))
    const text = '{"path":"/one"}\nnot JSON\n{"path":"/two"}\n'
    stream.write(text.slice(0, 9))
    stream.end(text.slice(9))
    await eventually(
      () => heard.length,
      (count) => count === 2,
      5000,
    )
    assert.deepEqual(heard, ['/one', '/two'])
    assert.equal(lines.filter(({ path }) => path === '/two').length, 1)
    const { value } = await eventually(
      () => readFile(file, 'utf8'),
      (seen) => seen === text,
      5000,
    )
    assert.equal(value, text)
  } finally {
    await rm(folder, { recursive: true })
  }
})
