import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newRequestId } from '../../../src/dataplane/http/request-id.ts'

test('every id is a version 4 UUID, no two are the same, and every random digit takes every value', () => {
  const seen = new Set<string>()
  const values = Array.from({ length: 36 }, () => new Set<string>())
  for (let i = 0; i < 5000; i += 1) {
    const id = newRequestId()
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    seen.add(id)
    for (let at = 0; at < id.length; at += 1) values[at]?.add(id[at] as string)
  }
  assert.equal(seen.size, 5000)
  for (const [at, digits] of values.entries()) {
    const wanted = [8, 13, 14, 18, 23].includes(at) ? 1 : at === 19 ? 4 : 16
    assert.equal(digits.size, wanted, `digit ${at}`)
  }
})
