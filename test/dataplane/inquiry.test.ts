import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { CustomOutcome } from '../../src/authz/custom-outcome.ts'
import { Inquiry } from '../../src/dataplane/inbound/inquiry.ts'
import type { CheckOutcome } from '../../src/ext-authz/outcome.ts'
import { deny } from '../../src/ext-authz/outcome.ts'
import { Provider } from '../../src/ext-authz/provider.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { configured } from '../ext-authz/authorizers.ts'

const rule: CustomOutcome = {
  provider: 'it',
  kind: 'http',
  policy: 'a/b',
  rule: 0,
  ruleId: 'id',
  refusal: null,
}
const no = deny(403, [], Buffer.alloc(0))

function providerOf(): Provider {
  const { authorizer } = configured('http', {})
  assert.ok(authorizer?.ok)
  return new Provider(authorizer.settings, { pick: () => null }, new ManualClock(), () =>
    Promise.reject(new Error()),
  )
}

function setup() {
  const asked: { provider: Provider; signal: AbortSignal; done: (outcome: CheckOutcome) => void }[] = []
  const settled: [CustomOutcome | null, CheckOutcome | null][] = []
  const world: { rule: CustomOutcome | null; provider: Provider | null } = { rule, provider: providerOf() }
  const inquiry = new Inquiry({
    find: () => world.rule,
    provider: () =>
      world.provider === null ? { ok: false, reason: 'gone' } : { ok: true, provider: world.provider },
    ask: (provider, signal, done) => void asked.push({ provider, signal, done }),
    settle: (...found) => void settled.push(found),
  })
  return { asked, settled, world, inquiry }
}

test('a question is asked once and its answer obeyed, however often policy changes beside it', () => {
  const { asked, settled, inquiry } = setup()
  for (let i = 0; i < 3; i += 1) inquiry.proceed()
  assert.equal(asked.length, 1)
  assert.equal(inquiry.pending, true)
  asked[0]?.done(no)
  assert.equal(inquiry.pending, false)
  assert.deepEqual(settled, [[rule, no]])
  inquiry.proceed()
  assert.deepEqual([asked.length, settled.length], [1, 2])
})

test('where nobody is asked any more the question is dropped, and asked anew when it comes back', () => {
  const { asked, settled, world, inquiry } = setup()
  inquiry.proceed()
  world.rule = null
  inquiry.proceed()
  assert.equal(asked[0]?.signal.aborted, true)
  assert.deepEqual(settled, [[null, null]])
  asked[0]?.done(no)
  assert.equal(settled.length, 1, 'too late')
  world.rule = rule
  inquiry.proceed()
  assert.equal(asked.length, 2)
})

test('another authorizer is asked instead, and one that is gone is a refusal', () => {
  const { asked, settled, world, inquiry } = setup()
  inquiry.proceed()
  world.provider = providerOf()
  inquiry.proceed()
  assert.equal(asked[0]?.signal.aborted, true)
  assert.equal(asked[1]?.provider, world.provider)
  world.provider = null
  inquiry.proceed()
  assert.equal(asked[1]?.signal.aborted, true)
  assert.deepEqual(settled, [[rule, null]])
})

test('whoever leaves cancels the question and hears no answer', () => {
  const { asked, settled, inquiry } = setup()
  inquiry.proceed()
  inquiry.abandon()
  asked[0]?.done(no)
  inquiry.proceed()
  assert.deepEqual([asked[0]?.signal.aborted, asked.length, settled.length], [true, 1, 0])
})
