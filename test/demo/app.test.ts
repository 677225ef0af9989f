import { test } from 'node:test'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answer } from '../../src/demo/app.ts'
import { call } from '../../src/demo/http-call.ts'
import { topology } from '../../src/demo/topology.ts'

const { datastore } = topology('127.0.1')

async function ask(path: string, headers: Record<string, string> = {}, body = '') {
  const server = createServer(async (request, response) => {
    const [status, type, text] = await answer({ tier: datastore, next: null }, request)
    response.writeHead(status, { 'content-type': type }).end(text)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const { port } = server.address() as AddressInfo
    return await call({ address: '127.0.0.1', port, path, headers, body, method: 'POST' })
  } finally {
    server.close()
  }
}

test('the application names itself and the path it was asked for', async () => {
  assert.equal((await ask('/hello')).body, 'hello, this is datastore: you asked for /hello\n')
})

test('whoami repeats what the sidecar says of the caller', async () => {
  const told = JSON.parse(
    (await ask('/whoami', { 'x-forwarded-client-cert': 'URI=spiffe://a/b' })).body,
  ) as object
  assert.equal((told as Record<string, unknown>)['x-forwarded-client-cert'], 'URI=spiffe://a/b')
  const untold = JSON.parse((await ask('/whoami')).body) as Record<string, unknown>
  assert.equal(untold['x-forwarded-client-cert'], null)
})

test('echo gives the body back', async () => {
  assert.equal((await ask('/echo', {}, 'there and back')).body, 'there and back')
})

test('a body beyond a megabyte is refused once it was read', async () => {
  assert.equal((await ask('/echo', {}, 'x'.repeat(1024 * 1024 + 1))).status, 413)
})

test('a call that names no http URL is refused', async () => {
  for (const url of ['', 'file:///etc/passwd', 'nonsense'])
    assert.equal((await ask(`/call?url=${encodeURIComponent(url)}`)).status, 400)
})
