import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { ManualClock } from '../support/manual-clock.ts'
import { ExtAuthzProviders } from '../../src/ext-authz/providers.ts'
import type { Provider } from '../../src/ext-authz/provider.ts'
import {
  at,
  configured,
  connection,
  deadPort,
  httpAuthority,
  put,
  rawAuthority,
  request,
  silent,
} from './authorizers.ts'

function build(t: TestContext, warned: string[] = []) {
  const log = {
    ...silent,
    warn: (_: string, fields?: Readonly<Record<string, unknown>>) =>
      void warned.push(String(fields?.['reason'])),
  }
  const all = new ExtAuthzProviders({ clock: new ManualClock(), log })
  t.after(() => all.close())
  return all
}

function good(all: ExtAuthzProviders, name: string): Provider {
  const found = all.inForce.find(name)
  assert.ok(found.ok)
  return found.provider
}

test('an unknown, invalid or unresolved provider is a bad one, and the good ones stay', (t) => {
  const warned: string[] = []
  const all = build(t, warned)
  const other = { name: 'zipkin', kind: 'other' as const, settings: {}, authorizer: null }
  const known = [configured('grpc', {}, 'good'), configured('http', { port: 'x' }, 'invalid'), other]
  const update = (): void =>
    put(all, [...known, configured('http', { service: 'nowhere.example.com' }, 'lost')], (host) =>
      host === 'authz.example.com' ? { pick: () => null } : null,
    )
  update()
  assert.equal(all.inForce.find('good').ok, true)
  for (const name of ['invalid', 'lost', 'zipkin', 'unheard-of', '__proto__']) {
    assert.equal(all.inForce.find(name).ok, false, name)
  }
  assert.deepEqual([...all.inForce.kinds], [['good', 'grpc']])
  assert.equal(warned.length, 2)
  assert.match(warned[0] ?? '', /^p\.port/)
  assert.equal(warned[1], 'no known service nowhere.example.com with port 9000')
  update()
  assert.equal(warned.length, 2)
})

test('the service is looked up by host, namespace and port', (t) => {
  const all = build(t)
  const asked: unknown[] = []
  put(all, [configured('http', { service: 'ns/a.b', port: 7 })], (...args) => {
    asked.push(args)
    return null
  })
  assert.deepEqual(asked, [['a.b', 'ns', 7]])
})

test('a service without a place just now is an error of the provider, not a bad one', async (t) => {
  const all = build(t)
  put(all, [configured('http', { failOpen: true })], () => ({ pick: () => null }))
  const outcome = await good(all, 'it').check({ connection, http: request() })
  assert.ok(outcome.kind === 'error' && outcome.allowed)
  assert.equal(outcome.reason, 'no_healthy_upstream')
})

test('equal settings keep their provider and its counts, and take the new places', async (t) => {
  const all = build(t)
  put(all, [configured('http', {})], () => ({ pick: () => null }))
  const before = good(all, 'it')
  await before.check({ connection, http: request() })
  const authority = await httpAuthority(t, (_, response) => void response.end())
  put(all, [configured('http', {})], at(authority.port))
  assert.equal(good(all, 'it'), before)
  assert.equal((await before.check({ connection, http: request() })).kind, 'allow')
  const { checks, allowed, errors } = before.counters
  assert.deepEqual([checks, allowed, errors], [2, 1, 1])
  put(all, [configured('http', { failOpen: true })], at(authority.port))
  assert.notEqual(good(all, 'it'), before)
})

test('a provider that went answers the checks it has, and closes then', async (t) => {
  const all = build(t)
  const asked = Promise.withResolvers<() => void>()
  const authority = await httpAuthority(t, (_, response) => asked.resolve(() => response.end()))
  put(all, [configured('http', {})], at(authority.port))
  const before = good(all, 'it')
  const waiting = before.check({ connection, http: request() })
  const answer = await asked.promise
  put(all, [], at(authority.port))
  assert.equal(all.inForce.find('it').ok, false)
  answer()
  assert.equal((await waiting).kind, 'allow')
  const after = await before.check({ connection, http: request() })
  assert.ok(after.kind === 'error' && !after.allowed)
})

test('close ends checks under way, and those do not fail open', async (t) => {
  const all = build(t)
  put(all, [configured('http', { failOpen: true })], at(await rawAuthority(t, null)))
  const waiting = good(all, 'it').check({ connection, http: request() })
  await new Promise((resolve) => setImmediate(resolve))
  await all.close()
  await all.close()
  const outcome = await waiting
  assert.ok(outcome.kind === 'error')
  assert.deepEqual([outcome.allowed, outcome.reason], [false, 'closed'])
})

test('more checks at once than a provider may have are errors', async (t) => {
  const all = build(t)
  put(all, [configured('grpc', {})], at(await rawAuthority(t, null)))
  const it = good(all, 'it')
  const checks = Array.from({ length: 1024 }, () => it.check({ connection, http: null }))
  const outcome = await it.check({ connection, http: null })
  assert.ok(outcome.kind === 'error')
  assert.equal(outcome.reason, 'overflow')
  await all.close()
  const rest = await Promise.all(checks)
  assert.ok(rest.every((each) => each.kind === 'error' && !each.allowed))
})

test('a plan that never comes into force changes nothing', async (t) => {
  const warned: string[] = []
  const all = build(t, warned)
  const authority = await httpAuthority(t, (_, response) => void response.end())
  put(all, [configured('http', {})], at(authority.port))
  const before = good(all, 'it')
  all.plan([configured('http', { failOpen: true })], at(await deadPort()))
  all.plan([configured('http', { port: 'x' })], at(authority.port))
  all.plan([], at(authority.port))
  assert.equal(good(all, 'it'), before)
  assert.equal((await before.check({ connection, http: request() })).kind, 'allow')
  assert.deepEqual(warned, [])
})

test('a protocol loaded ahead of the first check is the one it uses', async (t) => {
  const all = build(t)
  const authority = await httpAuthority(t, (_, response) => void response.end())
  put(all, [configured('http', {})], at(authority.port))
  good(all, 'it').prepare()
  assert.equal((await good(all, 'it').check({ connection, http: request() })).kind, 'allow')
})
