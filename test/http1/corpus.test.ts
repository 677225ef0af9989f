/** Replays the classics of smuggling and splitting, whole, byte by byte and cut at every place. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { byteByByte, bytes, cutAt, readRequests, readResponses } from './transcript.ts'

interface Seed<Message> {
  readonly name: string
  readonly wire: string
  /** The reason, or what is read instead. */
  readonly refused?: string
  readonly messages?: Message[]
}

export function seeds<Message>(file: string): Seed<Message>[] {
  return JSON.parse(readFileSync(new URL(`corpus/${file}`, import.meta.url), 'utf8')) as Seed<Message>[]
}

for (const seed of seeds<[string, string, string]>('requests.json')) {
  test(`request, ${seed.name}: ${seed.refused ?? 'read'}`, () => {
    const whole = bytes(seed.wire)
    const got = readRequests([whole])
    assert.equal(got.refusal?.reason, seed.refused)
    if (seed.messages !== undefined) {
      assert.deepEqual(
        got.messages.map((m) => [m.head.method, m.head.target, m.body]),
        seed.messages,
      )
      assert.ok(got.messages.every((m) => m.trailers.length === 0))
    }
    assert.deepEqual(readRequests(byteByByte(whole)), got)
    for (let i = 1; i < whole.length; i++) assert.deepEqual(readRequests(cutAt(whole, i)), got, `cut at ${i}`)
  })
}

for (const seed of seeds<[number, string]>('responses.json')) {
  test(`response, ${seed.name}: ${seed.refused ?? 'read'}`, () => {
    const whole = bytes(seed.wire)
    const got = readResponses([whole])
    assert.equal(got.refusal?.reason, seed.refused)
    if (seed.messages !== undefined) {
      assert.deepEqual(
        got.messages.map((m) => [m.head.status, m.body]),
        seed.messages,
      )
    }
    assert.deepEqual(readResponses(byteByByte(whole)), got)
    for (let i = 1; i < whole.length; i++)
      assert.deepEqual(readResponses(cutAt(whole, i)), got, `cut at ${i}`)
  })
}
