import { test } from 'node:test'
import assert from 'node:assert/strict'
import { HeldBody } from '../../../src/dataplane/http/held-body.ts'

function released(body: HeldBody): { bytes: string; pieces: number } {
  const pieces: Buffer[] = []
  body.release((piece) => pieces.push(piece))
  return { bytes: Buffer.concat(pieces).toString(), pieces: pieces.length }
}

test('what is held comes out in order, whole, and once', () => {
  const body = new HeldBody()
  let sent = ''
  for (let i = 0; i < 200; i += 1) {
    const chunk = String(i % 10).repeat(i % 7 === 0 ? 5000 : i)
    sent += chunk
    body.push(Buffer.from(chunk))
  }
  assert.equal(body.size, sent.length)
  assert.equal(body.first(1000).toString(), sent.slice(0, 1000))
  assert.equal(body.first(1e9).toString(), sent)
  assert.equal(released(body).bytes, sent)
  assert.deepEqual([body.size, released(body).bytes, body.first(10).length], [0, '', 0])
  body.push(Buffer.from('more'))
  assert.equal(released(body).bytes, 'more')
})

test('a body that comes byte by byte costs few pieces', () => {
  const body = new HeldBody()
  for (let i = 0; i < 100_000; i += 1) body.push(Buffer.from('x'))
  const { bytes, pieces } = released(body)
  assert.equal(bytes.length, 100_000)
  assert.ok(pieces < 20, `${pieces} pieces`)
})

test('whoever gathers hears of each piece until enough is there, and of the end', () => {
  const heard: [number, boolean][] = []
  const body = new HeldBody()
  assert.equal(body.push(Buffer.from('ab')), false, 'nobody wants more')
  const upTo = (most: number) => (size: number, whole: boolean) => {
    heard.push([size, whole])
    return size >= most || whole
  }
  assert.equal(body.gather(upTo(4), false), true)
  assert.equal(body.push(Buffer.from('c')), true)
  assert.equal(body.push(Buffer.from('de')), false)
  assert.equal(body.push(Buffer.from('f')), false)
  body.end()
  assert.deepEqual(heard, [
    [2, false],
    [3, false],
    [5, false],
  ])
  assert.equal(body.gather(upTo(100), true), false)
  assert.deepEqual(heard.at(-1), [6, true])
})
