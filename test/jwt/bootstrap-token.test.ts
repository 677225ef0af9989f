/** The mesh's workload tokens: round trip, and every way not to be one. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { chmod, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeProtectedHeader } from 'jose'
import { BootstrapTokens, readSubject } from '../../src/jwt/bootstrap-token.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { temporaryDirectory } from '../support/mesh-control.ts'

const account = { namespace: 'shop', serviceAccount: 'cart' }

async function withTokens(
  body: (tokens: BootstrapTokens, clock: ManualClock, directory: string) => Promise<void>,
): Promise<void> {
  const directory = await temporaryDirectory()
  const clock = new ManualClock()
  try {
    await body(await BootstrapTokens.open(directory, clock), clock, directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

test('what was issued is verified as the service account it names', () =>
  withTokens(async (tokens) => {
    const token = await tokens.issue({ ...account, ttlSeconds: 60 })
    assert.equal(decodeProtectedHeader(token).alg, 'ES256')
    assert.deepEqual(await tokens.verify(token), { ok: true, ...account })
  }))

test('a token ends at its expiry, give or take five seconds', () =>
  withTokens(async (tokens, clock) => {
    const token = await tokens.issue({ ...account, ttlSeconds: 60 })
    clock.advance(64_000)
    assert.equal((await tokens.verify(token)).ok, true)
    clock.advance(2000)
    assert.equal((await tokens.verify(token)).ok, false)
  }))

test('a changed byte, another audience or an empty text is refused without quoting the token', () =>
  withTokens(async (tokens) => {
    const token = await tokens.issue({ ...account, ttlSeconds: 60 })
    const elsewhere = await tokens.issue({ ...account, ttlSeconds: 60, audience: 'elsewhere' })
    const [head = '', body = '', signature = ''] = token.split('.')
    const middle = Math.floor(body.length / 2)
    const changed = `${head}.${body.slice(0, middle)}${body[middle] === 'A' ? 'B' : 'A'}${body.slice(middle + 1)}.${signature}`
    for (const bad of [changed, elsewhere, '', `${head}.${body}.`, token.slice(0, -4)]) {
      const verdict = await tokens.verify(bad)
      assert.ok(!verdict.ok)
      assert.ok(body === '' || !verdict.reason.includes(body.slice(0, 8)))
    }
  }))

test('the key is kept, private, and starters at once share it', () =>
  withTokens(async (tokens, clock, directory) => {
    const path = join(directory, 'token-key.pem')
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    const token = await tokens.issue({ ...account, ttlSeconds: 60 })
    const others = await Promise.all([1, 2, 3].map(() => BootstrapTokens.open(directory, clock)))
    for (const other of others) assert.equal((await other.verify(token)).ok, true)
    await chmod(path, 0o644)
    await assert.rejects(BootstrapTokens.open(directory, clock), { code: 'ERR_JWT_FILE_EXPOSED' })
    await chmod(path, 0o600)
    await writeFile(path, 'hello')
    await assert.rejects(BootstrapTokens.open(directory, clock), { code: 'ERR_JWT_TOKEN_KEY' })
  }))

test('tokens are issued for names that a SPIFFE path can hold, and for a time', () =>
  withTokens(async (tokens) => {
    for (const namespace of ['', 'a/b', 'a:b', '..', 'A', 'a b']) {
      await assert.rejects(tokens.issue({ namespace, serviceAccount: 'x', ttlSeconds: 60 }), {
        code: 'ERR_JWT_TOKEN_CLAIMS',
      })
    }
    await assert.rejects(tokens.issue({ ...account, ttlSeconds: 0 }), { code: 'ERR_JWT_TOKEN_CLAIMS' })
  }))

test('a subject is a service account of exactly four parts', () => {
  assert.deepEqual(readSubject('system:serviceaccount:shop:cart'), account)
  for (const bad of [
    '',
    'system:serviceaccount:shop',
    'system:serviceaccount:shop:cart:x',
    'system:node:shop:cart',
    'system:serviceaccount::cart',
    'system:serviceaccount:shop:',
    'system:serviceaccount:shop:../x',
  ]) {
    assert.equal(readSubject(bad), null, bad)
  }
})
