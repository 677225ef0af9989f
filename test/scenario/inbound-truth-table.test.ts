import { after, before, test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import type { EffectiveMtls } from '../../src/policy/peer-authentication.ts'
import { Harness, inboundPort } from '../support/data-plane-harness.ts'
import { createTestCa } from '../support/test-ca.ts'
import type { Issued } from '../support/test-ca.ts'
import { dialTls, dialWire } from '../support/wire-client.ts'
import type { WirePeer } from '../support/wire-client.ts'
import { tcpApplication } from '../support/applications.ts'

const modes = ['DISABLE', 'PERMISSIVE', 'STRICT'] as const
const protocols = ['tcp', 'http', 'auto'] as const
type Protocol = (typeof protocols)[number]

/**
 * What dataplane §3.3 asks of each cell. ok-h: served as HTTP; ok-t: carried opaque; pass: the application sees the TLS;
 * nfc: closed bare, the application is not dialled; proto: a codec error, 400; mtls: the handshake fails.
 */
type Cell = 'ok-h' | 'ok-t' | 'pass' | 'nfc' | 'proto' | 'mtls'

const table: Readonly<Record<string, Readonly<Record<Protocol, readonly [Cell, Cell, Cell]>>>> = {
  'plaintext HTTP': {
    tcp: ['ok-t', 'ok-t', 'nfc'],
    http: ['ok-h', 'ok-h', 'nfc'],
    auto: ['ok-h', 'ok-h', 'nfc'],
  },
  'plaintext TCP': {
    tcp: ['ok-t', 'ok-t', 'nfc'],
    http: ['proto', 'proto', 'nfc'],
    auto: ['ok-t', 'ok-t', 'nfc'],
  },
  'own TLS': {
    tcp: ['pass', 'pass', 'mtls'],
    http: ['proto', 'nfc', 'mtls'],
    auto: ['pass', 'pass', 'mtls'],
  },
  'own TLS with a foreign certificate': {
    tcp: ['pass', 'pass', 'mtls'],
    http: ['proto', 'nfc', 'mtls'],
    auto: ['pass', 'pass', 'mtls'],
  },
  'Istio mTLS, HTTP ALPN': {
    tcp: ['pass', 'ok-t', 'ok-t'],
    http: ['proto', 'ok-h', 'ok-h'],
    auto: ['pass', 'ok-h', 'ok-h'],
  },
  'Istio mTLS, TCP ALPN': {
    tcp: ['pass', 'ok-t', 'ok-t'],
    http: ['proto', 'ok-h', 'ok-h'],
    auto: ['pass', 'ok-t', 'ok-t'],
  },
  'Istio mTLS, istio alone': {
    tcp: ['pass', 'ok-t', 'ok-t'],
    http: ['proto', 'ok-h', 'ok-h'],
    auto: ['pass', 'ok-t', 'ok-t'],
  },
}

const request = 'GET /x HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n'

let harness: Harness
let client: Issued
let foreign: Issued
let port: number[]
let heard: () => string
/** The application outlives each test. */
const ended: (() => void)[] = []

before(async () => {
  const ca = await createTestCa({ trustDomain: 'cluster.local' })
  const other = await createTestCa({ trustDomain: 'evil.test' })
  client = await ca.svid('shop', 'client')
  foreign = await other.svid('shop', 'client')
  const suite = { after: (hook: () => void) => ended.push(hook) } as unknown as TestContext
  // Answers anything at once, then ends; tells HTTP and opaque apart by what our proxy adds to requests.
  const application = await tcpApplication(suite, (socket) => {
    socket.once('data', (chunk: Buffer) => {
      const tls = chunk[0] === 0x16
      socket.end(tls ? 'TLS-SEEN' : 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
    })
  })
  heard = application.received
  harness = await Harness.start({ applications: Array.from({ length: 9 }, () => application.port) })
  harness.identity(await ca.svid('shop', 'web'), { 'cluster.local': ca.rootPem })
  port = harness.inbound
  harness.apply({
    inboundPorts: protocols.flatMap((protocol, row) =>
      modes.map((mode, column) => inboundPort(port[row * 3 + column] as number, protocol, mode)),
    ),
  })
})

after(async () => {
  await harness.stop()
  for (const end of ended) end()
})

const portOf = (protocol: Protocol, mode: EffectiveMtls): number =>
  port[protocols.indexOf(protocol) * 3 + modes.indexOf(mode)] as number

/** Sends as that client does, and resolves with all it could read. */
async function call(t: TestContext, kind: string, to: number): Promise<string> {
  if (kind === 'plaintext HTTP') return talk(await dialWire(t, to), request)
  if (kind === 'plaintext TCP') return talk(await dialWire(t, to), '\x00\x01binary\r\n\r\n')
  const alpn =
    kind === 'Istio mTLS, HTTP ALPN'
      ? ['istio-http/1.1', 'istio', 'http/1.1']
      : kind === 'Istio mTLS, TCP ALPN'
        ? ['istio-peer-exchange', 'istio']
        : kind === 'Istio mTLS, istio alone'
          ? ['istio']
          : ['h2', 'http/1.1']
  const identity = kind.startsWith('Istio') ? client : kind === 'own TLS' ? null : foreign
  let peer: WirePeer
  try {
    peer = await dialTls(t, to, { alpn, identity })
  } catch {
    return '(no handshake)'
  }
  return talk(peer, request)
}

async function talk(peer: WirePeer, bytes: string): Promise<string> {
  const got = await peer.send(bytes).over()
  peer.end()
  return got
}

for (const kind of Object.keys(table)) {
  for (const protocol of protocols) {
    modes.forEach((mode, column) => {
      const cell = (table[kind] as (typeof table)[string])[protocol][column] as Cell
      test(`${kind} to a ${mode} ${protocol} port: ${cell}`, { timeout: 1_500 }, async (t) => {
        const before = heard().length
        const got = await call(t, kind, portOf(protocol, mode))
        const seen = heard().slice(before)
        const record = await harness.record()
        switch (cell) {
          case 'ok-h':
            assert.match(got, /^HTTP\/1.1 200 OK\r\n/)
            assert.match(got, /server: istio-envoy/)
            assert.match(seen, /x-request-id: /)
            assert.equal(record['response_code'], 200)
            break
          case 'ok-t':
            assert.equal(got, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
            assert.doesNotMatch(seen, /x-request-id/)
            assert.equal(record['protocol'], 'TCP')
            assert.equal(record['decision'], 'no_allow_policy')
            break
          case 'pass':
            assert.equal(seen.charCodeAt(0), 0x16)
            assert.equal(record['peer_principal'], 'plaintext')
            assert.equal(record['protocol'], 'TCP')
            break
          case 'nfc':
            assert.ok(got === '' || got === '(no handshake)', JSON.stringify(got))
            assert.equal(seen, '')
            assert.equal(record['response_flags'], 'NR')
            break
          case 'proto':
            assert.equal(seen, '')
            if (!kind.includes('TLS')) assert.match(got, /^HTTP\/1.1 400 /)
            assert.equal(record['response_code'], 400)
            assert.equal(record['response_flags'], 'DPE')
            break
          case 'mtls':
            assert.ok(got === '' || got === '(no handshake)', JSON.stringify(got))
            assert.equal(seen, '')
            assert.match(String(record['connection_termination_details']), /^tls_/)
            assert.equal(record['peer_principal'], 'plaintext')
            break
        }
        const mutual = kind.startsWith('Istio') && (cell === 'ok-h' || cell === 'ok-t')
        if (mutual) assert.equal(record['peer_principal'], 'spiffe://cluster.local/ns/shop/sa/client')
      })
    })
  }
}
