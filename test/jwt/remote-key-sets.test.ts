import { test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { mayFetchFrom } from '../../src/jwt/egress-guard.ts'
import { KeyRing } from '../../src/jwt/key-ring.ts'
import type { KeySets, KeySetState } from '../../src/jwt/key-source.ts'
import { refreshEveryMs, RemoteKeySets } from '../../src/jwt/remote-key-sets.ts'
import { RequestAuthenticationVerifier } from '../../src/jwt/request-authentication-verifier.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { authentication, bearer, jwtRule, keySet, nowMs, signer, token, told } from './issuer.ts'
import { keyServer } from './key-server.ts'

const es = await signer('ES256', 'one')
const next = await signer('ES256', 'two')

function fetching(t: TestContext) {
  const clock = new ManualClock(nowMs)
  const lines: string[] = []
  const write = (message: string, fields?: object): void =>
    void lines.push(`${message} ${JSON.stringify(fields)}`)
  const log = { info: write, warn: write, error: write }
  const remote = new RemoteKeySets({ clock, log, random: () => 0 }, { ca: null })
  t.after(() => remote.close())
  return { clock, remote, lines }
}

/** The state of a source once `wanted` holds. */
function state(
  remote: RemoteKeySets,
  key: string,
  wanted: (state: KeySetState) => boolean,
): Promise<KeySetState> {
  return new Promise((resolve) => {
    const stop = remote.sets.subscribe((sets: KeySets) => {
      const found = sets[key]
      if (found === undefined || !wanted(found)) return
      queueMicrotask(() => stop())
      resolve(found)
    })
  })
}

test('keys are fetched, refreshed every 20 minutes, and the last good ones stay', async (t) => {
  const server = await keyServer(t)
  const { clock, remote, lines } = fetching(t)
  const uri = `${server.url}/keys?secret=1`
  const key = `uri:${uri}`
  remote.use([authentication(jwtRule({ jwksUri: uri }), jwtRule({ jwksUri: uri, audiences: ['x'] }))])
  const failed = await state(remote, key, ({ error }) => error !== null)
  assert.deepEqual([failed.jwks, failed.error], [null, 'status 500'])
  server.answer = (_, response) => response.end(keySet(es))
  clock.advance(499)
  assert.equal(server.asked.length, 1)
  clock.advance(1)
  const good = await state(remote, key, ({ error }) => error === null)
  assert.deepEqual([good.jwks, good.fetchedAt], [keySet(es), nowMs + 500])
  server.answer = (_, response) => response.end('{}')
  clock.advance(refreshEveryMs)
  const kept = await state(remote, key, ({ error }) => error !== null)
  assert.deepEqual(
    [kept.jwks, kept.error, kept.fetchedAt],
    [keySet(es), 'Jwks does not have [keys] field', nowMs + 500],
  )
  assert.equal(lines.length, 3)
  assert.ok(!lines.join().includes('secret'))
  remote.use([])
  assert.deepEqual(remote.sets.value, {})
})

test('retries back off from seconds to a minute', async (t) => {
  const server = await keyServer(t)
  const { clock, remote } = fetching(t)
  const key = `uri:${server.url}/k`
  remote.use([authentication(jwtRule({ jwksUri: `${server.url}/k` }))])
  for (const wait of [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
    const now = clock.now()
    await state(remote, key, ({ checkedAt }) => checkedAt === now)
    clock.advance(wait - 1)
    assert.equal(clock.pending, 1)
    clock.advance(1)
  }
})

test('a document that is no key set is told as what it is; sources do not disturb each other', async (t) => {
  const server = await keyServer(t)
  const { remote } = fetching(t)
  server.answer = (request, response) => {
    const answers: Record<string, string> = {
      '/json': 'x',
      '/keys': '{"keys":1}',
      '/none': '{"keys":[{"kty":"x"}]}',
      '/big': `{"keys":[],"x":"${'x'.repeat(1_100_000)}"}`,
      '/good': keySet(es),
      '/i/.well-known/openid-configuration': JSON.stringify({ jwks_uri: `${server.url}/good` }),
      '/j/.well-known/openid-configuration': '{"jwks_uri":"file:///etc/passwd"}',
    }
    const answer = answers[request.url ?? '']
    if (request.url === '/hop') response.writeHead(302, { location: '/good' }).end()
    else if (request.url === '/loop') response.writeHead(302, { location: '/loop' }).end()
    else if (request.url === '/meta') response.writeHead(302, { location: 'http://169.254.169.254/' }).end()
    else response.writeHead(answer === undefined ? 404 : 200).end(answer)
  }
  const paths = ['json', 'keys', 'none', 'big', 'good', 'hop', 'loop', 'meta', 'gone']
  const rules = paths.map((path) => jwtRule({ jwksUri: `${server.url}/${path}` }))
  const issuers = [`${server.url}/i/`, `${server.url}/j`, 'nobody@test']
  const literal = ['http://169.254.169.254/latest', 'http://[fe80::1]/', 'http://2852039166/']
  remote.use([
    authentication(
      ...rules,
      ...issuers.map((name) => jwtRule({ issuer: name })),
      ...literal.map((jwksUri) => jwtRule({ jwksUri })),
    ),
  ])
  const told = async (key: string): Promise<readonly unknown[]> => {
    const { jwks, fault, error } = await state(remote, key, () => true)
    return jwks === null ? [fault, error] : ['ok', error]
  }
  const remoteFault = 'Jwks remote fetch is failed'
  const expected: Record<string, readonly (string | null)[]> = {
    json: ['Jwks is an invalid JSON', 'Jwks is an invalid JSON'],
    keys: ['[keys] in Jwks is not an array', '[keys] in Jwks is not an array'],
    none: ["Jwks doesn't have any valid public key", "Jwks doesn't have any valid public key"],
    good: ['ok', null],
    hop: ['ok', null],
    loop: [remoteFault, 'more than 3 redirects'],
    meta: [remoteFault, 'keys are not fetched from 169.254.169.254'],
    gone: [remoteFault, 'status 404'],
  }
  for (const [path, words] of Object.entries(expected)) {
    assert.deepEqual(await told(`uri:${server.url}/${path}`), words, path)
  }
  assert.equal((await told(`uri:${server.url}/big`))[0], remoteFault)
  assert.deepEqual(await told(`issuer:${issuers[0]}`), ['ok', null])
  assert.deepEqual(await told(`issuer:${issuers[1]}`), [remoteFault, 'discovery: no usable jwks_uri'])
  assert.equal((await told('issuer:nobody@test'))[0], remoteFault)
  for (const uri of literal) assert.match(String((await told(`uri:${uri}`))[1]), /keys are not fetched from/)
})

test('a fetch ends with the timeout of its rule', async (t) => {
  const server = await keyServer(t)
  const { clock, remote } = fetching(t)
  const waiting = new Promise<void>((resolve) => (server.answer = () => resolve()))
  remote.use([authentication(jwtRule({ jwksUri: `${server.url}/k`, timeoutMs: 3000 }))])
  await waiting
  clock.advance(3000)
  const { error } = await state(remote, `uri:${server.url}/k`, () => true)
  assert.match(String(error), /no answer in 3000 ms/)
})

test('a token of a new key is answered after one fetch, and forgers cannot cause more', async (t) => {
  const server = await keyServer(t)
  const { clock, remote } = fetching(t)
  let served = keySet(es)
  server.answer = (_, response) => response.end(served)
  const rules = [authentication(jwtRule({ jwksUri: `${server.url}/k` }))]
  const ring = new KeyRing({ clock, refetch: (source) => remote.refetch(source) })
  remote.sets.subscribe((sets) => ring.update(structuredClone(sets)))
  remote.use(rules)
  await state(remote, `uri:${server.url}/k`, () => true)
  const verifier = new RequestAuthenticationVerifier(rules, [], ring)
  const ask = async (text: string): Promise<string> => told(await verifier.verify(bearer(text), clock.now()))
  assert.equal(await ask(await token(es)), 'ok')
  served = keySet(es, next)
  const unknown = "Jwks doesn't have key to match kid or alg from Jwt"
  assert.equal(await ask(await token(next)), unknown)
  clock.advance(10_000)
  assert.deepEqual(await Promise.all([ask(await token(next)), ask(await token(next))]), ['ok', 'ok'])
  assert.equal(server.asked.length, 2)
  for (let i = 0; i < 5; i++) assert.equal(await ask(await token({ ...next, keyId: `x${i}` })), unknown)
  assert.equal(server.asked.length, 2)
  // A key that was withdrawn stops at once, remembered tokens too.
  served = keySet(next)
  clock.advance(refreshEveryMs)
  await state(remote, `uri:${server.url}/k`, ({ jwks }) => jwks === served)
  assert.equal(await ask(await token(es)), unknown)
})

test('a request waits two seconds for a fetch that nobody answers', async () => {
  const clock = new ManualClock(nowMs)
  const asked: string[] = []
  const ring = new KeyRing({ clock, refetch: (source) => asked.push(source) })
  let over = false
  const waited = ring.askAgain('uri:x')?.then(() => (over = true))
  clock.advance(1999)
  assert.equal(over, false)
  clock.advance(1)
  await waited
  assert.equal(over, true)
  assert.deepEqual(asked, ['uri:x'])
  assert.equal(ring.askAgain('uri:x'), null)
})

test('link-local, metadata and multicast addresses are refused in every spelling', () => {
  const refused =
    '169.254.169.254 169.254.0.1 ::ffff:169.254.169.254 0.0.0.0 :: fe80::1 224.0.0.1 ff02::1 255.255.255.255 fd00:ec2::254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe:: 100.100.100.200 nonsense'
  for (const address of refused.split(' ')) assert.equal(mayFetchFrom(address), false, address)
  for (const address of '127.0.0.1 ::1 10.0.0.1 192.168.1.1 8.8.8.8 2001:db8::1 64:ff9b::808:808'.split(
    ' ',
  )) {
    assert.equal(mayFetchFrom(address), true, address)
  }
})
