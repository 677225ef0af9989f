/** The table of streams against a Map, and the flood guard and peer settings against their rules. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { FloodGuard } from '../../src/http2/flood-guard.ts'
import { PeerSettings } from '../../src/http2/peer-settings.ts'
import { Http2Stream } from '../../src/http2/stream.ts'
import { StreamTable } from '../../src/http2/stream-table.ts'
import { randomFrom } from './random.ts'

test('the table holds what a Map would, whatever lives long', () => {
  for (let seed = 0; seed < 20; seed += 1) {
    const random = randomFrom(seed)
    const table = new StreamTable()
    const map = new Map<number, Http2Stream>()
    let next = 1
    for (let step = 0; step < 3000; step += 1) {
      if (map.size < 250 && random(100) < 52) {
        const stream = new Http2Stream(next, 0, 0)
        next += 2 * (1 + random(random(10) === 0 ? 300 : 1))
        table.add(stream)
        map.set(stream.id, stream)
      } else if (map.size > 0) {
        // The newest mostly: a few stay for ever.
        const ids = [...map.keys()]
        const id = ids[Math.max(0, ids.length - 1 - random(random(5) === 0 ? ids.length : 3))] as number
        table.remove(map.get(id) as Http2Stream)
        map.delete(id)
      }
      assert.equal(table.size, map.size)
      const probe = 1 + 2 * random(next)
      assert.equal(table.find(probe), map.get(probe) ?? null)
    }
    for (const [id, stream] of map) assert.equal(table.find(id), stream)
    assert.deepEqual(
      table
        .list()
        .map(({ id }) => id)
        .toSorted((a, b) => a - b),
      [...map.keys()].toSorted((a, b) => a - b),
    )
  }
})

test('useless frames are forgiven by useful ones, resets by answers and by time', () => {
  const guard = new FloodGuard()
  for (let i = 0; i < 1000; i += 1) assert.equal(guard.useless(), true)
  assert.equal(guard.useless(), false)
  guard.useful()
  assert.equal(guard.useless(), true)

  const quick = new FloodGuard()
  let allowed = 0
  while (quick.reset(1000)) allowed += 1
  assert.ok(allowed >= 150 && allowed <= 250, String(allowed))

  const answering = new FloodGuard()
  for (let i = 0; i < 5000; i += 1) {
    assert.equal(answering.reset(1000), true)
    answering.answered()
  }

  const patient = new FloodGuard()
  for (let i = 0; i < 5000; i += 1) assert.equal(patient.reset(i * 100), true)

  const steady = new FloodGuard()
  let most = 0
  while (most < 5000 && steady.reset(most)) most += 1
  assert.ok(most < 500, `a thousand a second went on for ${most}`)
})

test('a peer may set what RFC 9113 lets it, and nothing else', () => {
  const rows: [id: number, value: number, code: number][] = [
    ...(
      [
        [1, 0],
        [1, 0xffffffff],
        [2, 0],
        [2, 1],
        [3, 0],
        [3, 0xffffffff],
        [4, 0],
        [4, 0x7fffffff],
      ] as const
    ).map(([id, value]): [number, number, number] => [id, value, 0]),
    ...(
      [
        [5, 16_384],
        [5, 0xffffff],
        [6, 0],
        [6, 0xffffffff],
        [8, 7],
        [0xffff, 1],
      ] as const
    ).map(([id, value]): [number, number, number] => [id, value, 0]),
    [2, 2, 1],
    [4, 0x80000000, 3],
    [4, 0xffffffff, 3],
    [5, 16_383, 1],
    [5, 0x1000000, 1],
  ]
  for (const [id, value, code] of rows)
    assert.equal(new PeerSettings().take(id, value), code, `${id}=${value}`)
  const settings = new PeerSettings()
  assert.equal(settings.maxStreams, 100)
  settings.take(3, 7)
  settings.take(4, 99)
  settings.take(5, 1_000_000)
  assert.deepEqual([settings.maxStreams, settings.windowBytes, settings.frameBytes], [7, 99, 16_384])
})
