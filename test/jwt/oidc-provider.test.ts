import { test } from 'node:test'
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { KeyRing } from '../../src/jwt/key-ring.ts'
import { RemoteKeySets } from '../../src/jwt/remote-key-sets.ts'
import type { Outcome } from '../../src/jwt/bearer-request.ts'
import { RequestAuthenticationVerifier } from '../../src/jwt/request-authentication-verifier.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { authentication, bearer, jwtRule } from './issuer.ts'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

test('tokens of a real provider are verified by discovery, across a rotation of its keys', async (t) => {
  const child = fork(new URL('./provider.ts', import.meta.url), {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  t.after(() => child.kill())
  const [{ issuer }] = (await once(child, 'message')) as [{ issuer: string }]
  const issue = async (): Promise<string> => {
    const answer = await fetch(`${issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from('client:not-much-of-a-secret').toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'read write' }),
    })
    const body = (await answer.json()) as { access_token?: string }
    assert.ok(body.access_token !== undefined, JSON.stringify(body))
    return body.access_token
  }
  const clock = new ManualClock(Date.now())
  const remote = new RemoteKeySets({ clock, log: silent, random: Math.random }, { ca: null })
  t.after(() => remote.close())
  const rules = [
    authentication(
      jwtRule({
        issuer,
        audiences: ['api.test'],
        timeoutMs: 60_000,
        outputClaimToHeaders: [{ header: 'x-client', claim: 'client_id' }],
      }),
    ),
  ]
  const ring = new KeyRing({ clock, refetch: (source) => remote.refetch(source) })
  const fetched = new Promise<void>((resolve) =>
    remote.sets.subscribe((sets) => {
      ring.update(structuredClone(sets))
      if (sets[`issuer:${issuer}`] !== undefined) resolve()
    }),
  )
  remote.use(rules)
  await fetched
  const verifier = new RequestAuthenticationVerifier(rules, [], ring)
  const ask = async (text: string): Promise<Extract<Outcome, { ok: true }>> => {
    const outcome = await verifier.verify(bearer(text), clock.now())
    if (!outcome.ok) assert.fail(outcome.body)
    return outcome
  }
  const before = await ask(await issue())
  assert.equal(before.token?.issuer, issuer)
  assert.deepEqual(before.token?.claims['aud'], 'https://api.test')
  assert.deepEqual(before.token?.claims['scope'], ['read', 'write'])
  assert.deepEqual(before.edits.addHeaders, ['x-client', 'client'])

  child.send({ kid: 'second', alg: 'ES256' })
  await once(child, 'message')
  clock.advance(10_000)
  assert.equal((await ask(await issue())).token?.issuer, issuer)
})
