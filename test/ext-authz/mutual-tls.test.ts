import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js'
import { loadProto } from '../../src/proto/load-proto.ts'
import { originate } from '../../src/tls/originate.ts'
import type { Protection } from '../../src/ext-authz/authorizer-target.ts'
import { createTestCa } from '../support/test-ca.ts'
import { contextsOf, mesh, secretsOf } from '../tls/loopback.ts'
import { at, connection, provider, request } from './authorizers.ts'

const ca = await createTestCa({ trustDomain: 'cluster.local' })
const own = await ca.svid('ns1', 'client')
const svid = await ca.svid('ns2', 'authz')
const contexts = contextsOf(secretsOf(own, { 'cluster.local': ca.rootPem }))
const authz = 'spiffe://cluster.local/ns/ns2/sa/authz'

/** What the data plane hands in: the mesh's own handshake with secure naming. */
function protecting(expected: string): Protection['protect'] {
  return (socket, alpn) =>
    new Promise((resolve, reject) => {
      const options = { tls: mesh([expected]), alpn: [alpn], deadlineMs: 5000, host: 'authz.example.com' }
      originate(socket, contexts, options, (handshake) =>
        handshake.ok ? resolve(handshake.secure.stream as typeof socket) : reject(new Error(handshake.code)),
      )
    })
}

async function httpOverTls(t: TestContext): Promise<number> {
  const server = createServer(
    {
      key: svid.privateKey,
      cert: svid.certificateChain,
      ca: ca.rootPem,
      requestCert: true,
      rejectUnauthorized: true,
    },
    (_, response) => void response.end(),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

async function grpcOverTls(t: TestContext): Promise<number> {
  const server = new Server()
  server.addService(loadProto('ext-authz.proto').service('envoy.service.auth.v3.Authorization'), {
    Check: (_: ServerUnaryCall<object, object>, reply: sendUnaryData<object>) =>
      reply(null, { status: { code: 0 } }),
  })
  const pair = { private_key: Buffer.from(svid.privateKey), cert_chain: Buffer.from(svid.certificateChain) }
  const secure = ServerCredentials.createSsl(Buffer.from(ca.rootPem), [pair], true)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', secure, (error, bound) => (error ? reject(error) : resolve(bound)))
  })
  t.after(() => server.forceShutdown())
  return port
}

for (const [kind, serve] of [
  ['http', httpOverTls],
  ['grpc', grpcOverTls],
] as const) {
  test(`a ${kind} authorizer in the mesh is asked over mTLS, and only the expected one`, async (t) => {
    const port = await serve(t)
    const right = provider(t, kind, at(port, protecting(authz)))
    for (let i = 0; i < 2; i++) {
      assert.equal((await right.check({ connection, http: request() })).kind, 'allow')
    }
    const wrong = provider(t, kind, at(port, protecting('spiffe://cluster.local/ns/ns2/sa/other')))
    const outcome = await wrong.check({ connection, http: request() })
    assert.ok(outcome.kind === 'error' && !outcome.allowed)
  })
}
