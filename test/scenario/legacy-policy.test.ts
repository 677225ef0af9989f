/** Legacy policies from YAML to the wire: a folder's objects, the real data plane, real requests (policy-semantics §7). */
import { test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { assembleConfig } from '../../src/discovery/assemble-config.ts'
import { buildSnapshot } from '../../src/discovery/build-snapshot.ts'
import { ResourceState } from '../../src/discovery/resource-state.ts'
import { readDocuments } from '../../src/policy/read-documents.ts'
import { issuer, keySet, nowSeconds, signer, token } from '../jwt/issuer.ts'
import { echoApplication, httpApplication, tcpApplication } from '../support/applications.ts'
import { Harness, web } from '../support/data-plane-harness.ts'
import { createTestCa } from '../support/test-ca.ts'
import { dialTls, dialWire } from '../support/wire-client.ts'
import type { WirePeer } from '../support/wire-client.ts'

const timeout = 5000
const ca = await createTestCa({ trustDomain: 'cluster.local' })
const own = await ca.svid('shop', 'web')
const client = await ca.svid('shop', 'client')
const provider = await signer('ES256', 'k1')
const stranger = await signer('ES256', 'k1')
const jwks = JSON.stringify(keySet(provider))

const get = (path: string, fields = '', method = 'GET'): string =>
  `${method} ${path} HTTP/1.1\r\nhost: web\r\n${fields}\r\n`
const bearer = (text: string): string => `authorization: Bearer ${text}\r\n`
// Tokens of the support files are of a fixed time; the harness's clock is another.
const lasting = { exp: nowSeconds + 10 ** 9 }

/** A sidecar of `web`, in front of an application, that reads these objects; `apply` reads others. */
async function sidecar(
  t: TestContext,
  application: number,
  protocol = 'http',
): Promise<{
  harness: Harness
  apply: (...documents: readonly string[]) => void
  done: () => Promise<void>
}> {
  const harness = await Harness.start({ applications: [application] })
  harness.identity(own, { 'cluster.local': ca.rootPem })
  let stopped = false
  // A test that failed must not leave a thread that keeps the process alive.
  t.after(() => {
    if (!stopped) harness.thread.hear({ type: 'close' })
  })
  const state = new ResourceState()
  const workload =
    `apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: {app: web}, ports: [{name: ${protocol}, port: 80, targetPort: ${harness.port}}]}\n` +
    `---\napiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web, version: v1}}\nspec: {serviceAccountName: web}\nstatus: {podIP: 127.0.0.1}\n`
  return {
    harness,
    apply(...documents) {
      const read = readDocuments([workload, ...documents].join('---\n'), 'f.yaml')
      assert.deepEqual(read.problems, [])
      const {
        generation: _,
        hash: _hash,
        parts: _parts,
        ...snapshot
      } = buildSnapshot(assembleConfig(state.apply([{ file: 'f.yaml', ...read }]), []), web, null)
      harness.apply(snapshot)
    },
    async done() {
      await harness.quiet()
      stopped = true
      await harness.stop()
    },
  }
}

const legacy = (kind: string, metadata: string, spec: string): string =>
  `apiVersion: authentication.istio.io/v1alpha1\nkind: ${kind}\nmetadata: ${metadata}\nspec: ${spec}\n`
const ofWeb = (spec: string): string =>
  legacy('Policy', '{name: web, namespace: shop}', `{targets: [{name: web, ports: [{number: 80}]}], ${spec}}`)
const origins = (more = ''): string =>
  `origins: [{jwt: {issuer: "${issuer}", jwks: ${jwks}, triggerRules: [{excludedPaths: [{exact: /health}, {prefix: /open/}, {regex: "/v[0-9]+/ping"}]}]}}]${more}`
const authorization = (rules: string, action = 'ALLOW'): string =>
  `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: shop}\nspec: {action: ${action}, rules: ${rules}}\n`

test(
  'origins: a token is demanded with the exact answer, and goes on to the application',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const { harness, apply, done } = await sidecar(t, application.port)
    apply(ofWeb(`peers: [{mtls: {mode: PERMISSIVE}}], ${origins()}`))
    const peer = await dialWire(t, harness.port)
    const good = await token(provider, lasting)

    peer.send(get('/mine', bearer(good)))
    assert.equal((await peer.response()).status, 200)
    assert.equal(application.requests[0]?.headers['authorization'], `Bearer ${good}`, 'the token stays')
    await harness.record()

    peer.send(get('/mine'))
    const missing = await peer.response()
    assert.equal(missing.status, 401)
    assert.equal(missing.body, 'Origin authentication failed.')
    assert.equal(missing.headers['content-type'], 'text/plain')
    assert.equal(missing.headers['www-authenticate'], undefined)
    const record = await harness.record()
    assert.equal(record['response_code_details'], 'origin_authentication_failed{Jwt_is_missing}')

    peer.send(get('/mine', bearer(await token(stranger, lasting))))
    assert.equal((await peer.response()).body, 'Origin authentication failed.')
    peer.send(get('/mine', 'content-type: application/grpc\r\n'))
    const grpc = await peer.response()
    assert.deepEqual([grpc.status, grpc.headers['grpc-status']], [200, '16'])
    assert.equal(grpc.headers['grpc-message'], 'Origin authentication failed.')
    assert.equal(application.requests.length, 1)
    peer.stream.destroy()
    await done()
  },
)

test(
  'trigger rules: what they skip is open, and no query, fragment or dot segment makes it so',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const { harness, apply, done } = await sidecar(t, application.port)
    apply(ofWeb(`peers: [{mtls: {mode: PERMISSIVE}}], ${origins()}`))
    const peer = await dialWire(t, harness.port)
    const status = async (path: string, fields = '', method = 'GET'): Promise<number> => {
      peer.send(get(path, fields, method))
      return (await peer.response()).status
    }
    for (const path of ['/health', '/health?x=1', '/open/', '/open/a', '/v1/ping', '/v12/ping?x'])
      assert.equal(await status(path), 200, path)
    // Whatever token is shown where nobody asks.
    assert.equal(await status('/health', bearer('rubbish')), 200)
    for (const path of [
      '/',
      '/Health',
      '/healthy',
      '/mine?/health',
      '/mine?a=/open/',
      '/open',
      '/v/ping',
      '/v1/ping/x',
    ])
      assert.equal(await status(path), 401, path)
    // What is judged is what the application gets: the segments are resolved first.
    assert.equal(await status('/open/../mine'), 401)
    assert.equal(await status('/mine/../health'), 200)
    assert.equal(application.requests.at(-1)?.url, '/health')
    const preflight = 'origin: https://a.test\r\naccess-control-request-method: PUT\r\n'
    assert.equal(await status('/mine', preflight, 'OPTIONS'), 200)
    assert.equal(await status('/mine', '', 'OPTIONS'), 401)
    peer.stream.destroy()
    await done()
  },
)

test(
  'peers: STRICT closes plaintext, no peers closes mutual TLS, and the narrowest policy decides alone',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const { harness, apply, done } = await sidecar(t, application.port)
    const plain = async (): Promise<string> => {
      const peer = await dialWire(t, harness.port)
      peer.send(get('/'))
      const told = await peer.response().then(
        ({ status }) => String(status),
        () => 'closed',
      )
      peer.stream.destroy()
      return told
    }
    const mutual = async (): Promise<string> => {
      const peer = await dialTls(t, harness.port, { identity: client, alpn: ['istio-http/1.1', 'istio'] })
      peer.send(get('/'))
      const { status } = await peer.response()
      peer.stream.destroy()
      return String(status)
    }
    const mesh = legacy('MeshPolicy', '{name: default}', '{peers: [{mtls: }]}')
    const namespace = (spec: string): string => legacy('Policy', '{name: default, namespace: shop}', spec)
    apply(mesh)
    assert.deepEqual([await plain(), await mutual()], ['closed', '200'])
    apply(mesh, namespace('{}'))
    assert.equal(await plain(), '200', 'an empty namespace policy turns the mesh’s mutual TLS off')
    await assert.rejects(mutual())
    apply(mesh, namespace('{}'), ofWeb('peers: [{mtls: {}}]'))
    assert.deepEqual([await plain(), await mutual()], ['closed', '200'])
    apply(mesh, namespace('{}'), ofWeb('peers: [{mtls: {}}], peerIsOptional: true'))
    assert.deepEqual([await plain(), await mutual()], ['200', '200'])
    // Whoever wrote a PeerAuthentication has left the legacy ones behind.
    const modern =
      'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: shop}\nspec: {mtls: {mode: STRICT}}\n'
    apply(mesh, namespace('{}'), ofWeb('peers: [{mtls: {mode: PERMISSIVE}}]'), modern)
    assert.deepEqual([await plain(), await mutual()], ['closed', '200'])
    await done()
  },
)

test('principalBinding: whose name policy sees as the request’s principal', { timeout }, async (t) => {
  const application = await httpApplication(t)
  const { harness, apply, done } = await sidecar(t, application.port)
  apply()
  const peer = await dialTls(t, harness.port, { identity: client, alpn: ['istio-http/1.1', 'istio'] })
  const good = await token(provider, lasting)
  const status = async (fields = bearer(good)): Promise<number> => {
    peer.send(get('/mine', fields))
    return (await peer.response()).status
  }
  const peers = 'peers: [{mtls: }]'
  const asks = (name: string): string =>
    authorization(`[{from: [{source: {requestPrincipals: ["${name}"]}}]}]`)
  apply(ofWeb(`${peers}, ${origins(', principalBinding: USE_ORIGIN')}`), asks(`${issuer}/alice`))
  assert.equal(await status(), 200)
  apply(
    ofWeb(`${peers}, ${origins(', principalBinding: USE_ORIGIN')}`),
    asks('cluster.local/ns/shop/sa/client'),
  )
  assert.equal(await status(), 403)
  apply(ofWeb(`${peers}, ${origins()}`), asks('cluster.local/ns/shop/sa/client'))
  assert.equal(await status(), 200)
  assert.equal(await status(''), 401)
  apply(ofWeb(`${peers}, ${origins(', originIsOptional: true')}`), asks('cluster.local/ns/shop/*'))
  assert.equal(await status(''), 200)
  apply(ofWeb(`${peers}, ${origins(', originIsOptional: true, principalBinding: USE_ORIGIN')}`), asks('*'))
  assert.equal(await status(''), 403)
  // Claims are the token's, whoever the principal is.
  apply(
    ofWeb(`${peers}, ${origins()}`),
    authorization(`[{when: [{key: "request.auth.claims[sub]", values: [alice]}]}]`),
  )
  assert.equal(await status(), 200)
  peer.stream.destroy()
  await done()
})

test(
  'requests that cannot be read do not escape the demand, TCP ports are none of its business',
  { timeout },
  async (t) => {
    const application = await echoApplication(t)
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
    const demand = ofWeb(`peers: [{mtls: {mode: PERMISSIVE}}], ${origins()}`)
    for (const [protocol, mode] of [
      ['http', preface],
      ['auto-x', preface],
      ['auto-x', 'hello, no http'],
    ] as const) {
      const { harness, apply, done } = await sidecar(t, application.port, protocol)
      apply()
      const early = await dialWire(t, harness.port)
      assert.equal(await early.send(mode).untilText(mode), mode)
      apply(demand)
      await early.over()
      assert.equal((await harness.record())['decision'], 'origin_not_shown')
      const late = await dialWire(t, harness.port)
      assert.equal(await late.send(mode).over(), '')
      assert.equal((await harness.record())['decision'], 'origin_not_shown')
      early.stream.destroy()
      late.stream.destroy()
      await done()
    }
    const { harness, apply, done } = await sidecar(t, application.port, 'tcp')
    apply(demand)
    const peer = await dialWire(t, harness.port)
    assert.equal(await peer.send('hello').untilText('hello'), 'hello')
    peer.stream.destroy()
    await done()
  },
)

test(
  'a WebSocket that passed without a token ends when one is demanded, one that showed its token goes on',
  { timeout },
  async (t) => {
    const application = await tcpApplication(t, (socket) => {
      socket.on('end', () => socket.end())
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
        socket.on('data', (bytes) => socket.write(bytes))
      })
    })
    const { harness, apply, done } = await sidecar(t, application.port)
    apply()
    const chat = async (fields: string): Promise<WirePeer> => {
      const peer = await dialWire(t, harness.port)
      peer.send(get('/chat', `connection: upgrade\r\nupgrade: websocket\r\n${fields}`))
      await peer.untilText(' 101 ')
      return peer
    }
    const anonymous = await chat('')
    const named = await chat(bearer(await token(provider, lasting)))
    apply(ofWeb(`peers: [{mtls: {mode: PERMISSIVE}}], ${origins()}`))
    await anonymous.over()
    await named.send('still').untilText('still')
    for (const peer of [anonymous, named]) peer.stream.destroy()
    await done()
  },
)

test(
  'a policy that is refused closes what it was about; a good version before it stays',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const { harness, apply, done } = await sidecar(t, application.port)
    const status = async (): Promise<string> => {
      const peer = await dialTls(t, harness.port, { identity: client, alpn: ['istio-http/1.1', 'istio'] })
      peer.send(get('/'))
      const { status: code, body } = await peer.response()
      peer.stream.destroy()
      return `${code} ${code === 401 ? body : ''}`
    }
    apply(ofWeb('peers: [{mtls: }], origins: [{jwt: {issuer: "", jwks: "{}"}}]'))
    assert.equal(await status(), '401 Origin authentication failed.')
    const plain = await dialWire(t, harness.port)
    assert.equal(await plain.send(get('/')).over(), '')
    apply(ofWeb('peers: [{mtls: {mode: LAX}}]'))
    assert.equal(await status(), '200 ', 'nothing of origins was in it')
    apply(ofWeb(`peers: [{mtls: {mode: PERMISSIVE}}], ${origins()}`))
    apply(ofWeb('peers: []  , origin: 5'))
    assert.equal(await status(), '401 Origin authentication failed.')
    const good = await dialWire(t, harness.port)
    good.send(get('/health'))
    assert.equal((await good.response()).status, 200, 'the good version is in force')
    good.stream.destroy()
    plain.stream.destroy()
    await done()
  },
)
