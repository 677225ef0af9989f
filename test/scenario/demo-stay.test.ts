import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { demandFreeAddresses } from '../../src/demo/addresses-free.ts'
import { eventually } from '../../src/demo/eventually.ts'
import { call, callAs } from '../../src/demo/http-call.ts'
import { topology } from '../../src/demo/topology.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const places = topology('127.0.76')

test('the demo tells each request, and Ctrl-C ends all of it', { timeout: 100_000 }, async () => {
  const demo = spawn(process.execPath, [main, 'demo', '--prefix', places.prefix])
  const ended = once(demo, 'exit')
  let output = ''
  for (const stream of [demo.stdout, demo.stderr]) stream.on('data', (chunk) => (output += String(chunk)))
  const prints = async (wanted: RegExp, deadlineMs: number): Promise<void> => {
    const { value } = await eventually(
      () => wanted.test(output),
      (found) => found || demo.exitCode !== null,
      deadlineMs,
    )
    assert.ok(value, `${wanted} in\n${output}`)
  }
  try {
    await prints(/Ctrl-C ends everything/, 60_000)
    const { frontend, datastore } = places
    const photos = await call({ address: frontend.address, port: 8080, path: '/photos' })
    assert.match(photos.body, /datastore: one photo/)
    await callAs(frontend, `http://${datastore.shortName}/hello`)
    await prints(/\(plaintext\) -> photo-frontend +GET \/photos +200 /, 5000)
    await prints(
      /photo-frontend -> photo-backend +GET \/photos +200 allowed by photo-ns\/photo-backend/,
      5000,
    )
    await prints(/photo-frontend -> datastore +GET \/hello +403 REFUSED/, 5000)
  } finally {
    demo.kill('SIGINT')
  }
  assert.deepEqual(await ended, [0, null], output)
  await demandFreeAddresses(places)
  const folder = /ls (\S+)\/config$/m.exec(output)?.[1] ?? ''
  assert.notEqual(folder, '')
  assert.equal(existsSync(folder), false)
})
