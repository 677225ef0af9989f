import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { startAdmin, startReadiness } from '../../src/admin/admin-server.ts'
import { configDump } from '../../src/admin/config-dump.ts'
import { Readiness } from '../../src/admin/readiness.ts'
import { dialWire, parseAnswer } from '../support/wire-client.ts'
import type { HttpAnswer } from '../support/wire-client.ts'

const timeout = 5000
const loopback = { address: '127.0.0.1', port: 0 }

async function started(t: TestContext): Promise<{ port: number; readiness: Readiness; commands: string[] }> {
  const commands: string[] = []
  const readiness = new Readiness({ certificate: 'no SVID from the SDS socket yet' })
  const bound = await startAdmin(
    loopback,
    readiness,
    {
      '/config_dump': () => configDump(null, { drainMs: 1 }, { names: ['default', 'ROOTCA'] }),
      '/broken': () => Promise.reject(new Error('page failed')),
    },
    { quit: () => commands.push('quit'), drain: () => commands.push('drain') },
  )
  t.after(() => bound.close())
  return { port: bound.port, readiness, commands }
}

async function ask(t: TestContext, port: number, line: string, ...fields: string[]): Promise<HttpAnswer> {
  const peer = await dialWire(t, port)
  peer.send(`${line} HTTP/1.1\r\n${fields.map((field) => `${field}\r\n`).join('')}connection: close\r\n\r\n`)
  return parseAnswer(await peer.over())
}

test('only a Host that names loopback is answered: a rebound name gets nothing', { timeout }, async (t) => {
  const { port } = await started(t)
  for (const host of [
    'localhost',
    'localhost:15000',
    '127.0.0.1:15000',
    '127.9.9.9',
    '[::1]:15000',
    'LOCALHOST',
  ])
    assert.equal((await ask(t, port, 'GET /help', `host: ${host}`)).status, 200, host)
  for (const host of [
    'evil.test',
    'localhost.evil.test',
    '127.0.0.1.evil.test',
    'evil.test:15000',
    '10.0.0.1',
    '',
    '127.0.0.1@evil.test',
  ])
    assert.notEqual((await ask(t, port, 'GET /config_dump', `host: ${host}`)).status, 200, host)
})

test('browsers and forwarded requests are refused, whatever they ask', { timeout }, async (t) => {
  const { port, commands } = await started(t)
  for (const field of [
    'origin: http://localhost',
    'sec-fetch-mode: no-cors',
    'x-forwarded-for: 127.0.0.1',
    'forwarded: for=127.0.0.1',
  ]) {
    assert.equal(
      (await ask(t, port, 'POST /quitquitquit', 'host: localhost', 'content-length: 0', field)).status,
      403,
    )
    assert.equal((await ask(t, port, 'GET /config_dump', 'host: localhost', field)).status, 403, field)
  }
  assert.deepEqual(commands, [])
})

test(
  'what our own proxy forwards is refused: an application cannot be talked into it',
  { timeout },
  async (t) => {
    const { port, commands } = await started(t)
    for (const field of [
      'x-envoy-upstream-service-time: 1',
      'x-forwarded-proto: http',
      'x-forwarded-client-cert: By=a',
    ])
      assert.equal(
        (await ask(t, port, 'POST /quitquitquit', 'host: localhost', 'content-length: 0', field)).status,
        403,
        field,
      )
    assert.deepEqual(commands, [])
  },
)

test('commands are POST only and run once, after they were answered', { timeout }, async (t) => {
  const { port, commands } = await started(t)
  for (const method of ['GET', 'HEAD', 'PUT', 'DELETE'])
    assert.equal((await ask(t, port, `${method} /quitquitquit`, 'host: localhost')).status, 405)
  assert.deepEqual(commands, [])
  assert.equal((await ask(t, port, 'POST /drain', 'host: localhost', 'content-length: 0')).status, 200)
  assert.equal((await ask(t, port, 'POST /quitquitquit', 'host: localhost', 'content-length: 0')).status, 200)
  while (commands.length < 2) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(commands, ['drain', 'quit'])
  assert.equal((await ask(t, port, 'POST /config_dump', 'host: localhost', 'content-length: 0')).status, 405)
})

test(
  'readiness says what is missing, and is false for good once the end has begun',
  { timeout },
  async (t) => {
    const { port, readiness } = await started(t)
    const ready = (): Promise<HttpAnswer> => ask(t, port, 'GET /ready', 'host: localhost')
    const missing = await ready()
    assert.equal(missing.status, 503)
    assert.match(missing.body, /PRE_INITIALIZING\nmissing certificate: no SVID from the SDS socket yet/)
    readiness.met('certificate')
    assert.equal((await ready()).body, 'LIVE\n')
    readiness.lost('certificate', 'expired')
    assert.equal((await ready()).status, 503)
    readiness.met('certificate')
    readiness.terminate()
    assert.match((await ready()).body, /DRAINING/)
    readiness.met('anything')
    assert.equal((await ready()).status, 503)
  },
)

test('the configuration names secrets and shows none', { timeout }, async (t) => {
  const { port } = await started(t)
  const { body } = await ask(t, port, 'GET /config_dump', 'host: localhost')
  const dump = JSON.parse(body) as { secrets: unknown }
  assert.deepEqual(dump.secrets, [
    { name: 'default', private_key: '[redacted]' },
    { name: 'ROOTCA', private_key: '[redacted]' },
  ])
  assert.doesNotMatch(body, /PRIVATE KEY|BEGIN/)
})

test(
  'a page that fails is a 500 that ends nothing, a path unknown a 404 that lists what is known',
  { timeout },
  async (t) => {
    const { port } = await started(t)
    assert.equal((await ask(t, port, 'GET /broken', 'host: localhost')).status, 500)
    const unknown = await ask(t, port, 'GET /nothing', 'host: localhost')
    assert.equal(unknown.status, 404)
    assert.match(unknown.body, /\/config_dump/)
    assert.equal((await ask(t, port, 'GET //', 'host: localhost')).status < 500, true)
    for (const target of ['/__proto__', '/constructor', '/toString', '/hasOwnProperty'])
      assert.equal((await ask(t, port, `GET ${target}`, 'host: localhost')).status, 404, target)
  },
)

test('the probe port answers readiness and nothing else, to any Host', { timeout }, async (t) => {
  const readiness = new Readiness({})
  const bound = await startReadiness(loopback, readiness)
  t.after(() => bound.close())
  assert.equal((await ask(t, bound.port, 'GET /healthz/ready', 'host: 10.0.0.7:15021')).status, 200)
  for (const path of ['/config_dump', '/quitquitquit', '/ready', '/'])
    assert.equal((await ask(t, bound.port, `GET ${path}`, 'host: 10.0.0.7')).status, 404)
  readiness.terminate()
  assert.equal((await ask(t, bound.port, 'GET /healthz/ready', 'host: 10.0.0.7')).status, 503)
})

test('a port in use is refused with its address', { timeout }, async (t) => {
  const { port } = await started(t)
  await assert.rejects(startReadiness({ ...loopback, port }, new Readiness({})), {
    code: 'ERR_ADMIN_BIND',
    message: /127\.0\.0\.1:\d+: the port is in use/,
  })
})

test('what was met and ran out is missing again, until it holds once more', () => {
  const readiness = new Readiness({ certificate: 'none yet' })
  let reason: string | null = 'expired'
  readiness.holds('certificate', () => reason)
  assert.deepEqual(readiness.report().missing, ['certificate: none yet'])
  readiness.met('certificate')
  assert.deepEqual(readiness.report(), {
    ready: false,
    state: 'PRE_INITIALIZING',
    missing: ['certificate: expired'],
  })
  reason = null
  assert.equal(readiness.ready, true)
})
