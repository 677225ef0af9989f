import { test } from 'node:test'
import assert from 'node:assert/strict'
import { chooseChain, inspectsHttp, inspectsTls, portKind } from '../../src/dataplane/filter-chain.ts'
import type { Chain, PortKind, Sniffed } from '../../src/dataplane/filter-chain.ts'
import type { EffectiveMtls } from '../../src/policy/peer-authentication.ts'

// Offers as clients make them: null = plaintext, [] = TLS without ALPN.
const offers = {
  foreign: [],
  browser: ['h2', 'http/1.1'],
  meshHttp1: ['istio-http/1.1', 'istio', 'http/1.1'],
  meshHttp2: ['istio-h2', 'istio', 'h2'],
  meshHttp10: ['istio-http/1.0', 'istio', 'http/1.0'],
  meshOpaque: ['istio-peer-exchange', 'istio'],
  meshOld: ['istio'],
} as const

type Row = readonly [kind: PortKind, mode: EffectiveMtls, offer: keyof typeof offers, chain: Chain]

// dataplane §3.2, cell by cell.
const tls: Row[] = [
  ['http', 'PERMISSIVE', 'meshHttp1', 'terminate-http'],
  ['http', 'PERMISSIVE', 'meshHttp2', 'terminate-http'],
  ['http', 'PERMISSIVE', 'meshHttp10', 'terminate-http'],
  ['http', 'PERMISSIVE', 'meshOpaque', 'terminate-http'],
  ['http', 'PERMISSIVE', 'meshOld', 'terminate-http'],
  ['http', 'PERMISSIVE', 'foreign', 'refuse'],
  ['http', 'PERMISSIVE', 'browser', 'refuse'],
  ['http', 'STRICT', 'meshHttp1', 'terminate-http'],
  ['http', 'STRICT', 'meshOpaque', 'terminate-http'],
  ['http', 'STRICT', 'foreign', 'terminate-http'],
  ['http', 'STRICT', 'browser', 'terminate-http'],
  ['tcp', 'PERMISSIVE', 'meshHttp1', 'terminate-tcp'],
  ['tcp', 'PERMISSIVE', 'meshOpaque', 'terminate-tcp'],
  ['tcp', 'PERMISSIVE', 'meshOld', 'terminate-tcp'],
  ['tcp', 'PERMISSIVE', 'foreign', 'plain-tcp'],
  ['tcp', 'PERMISSIVE', 'browser', 'plain-tcp'],
  ['tcp', 'STRICT', 'meshHttp1', 'terminate-tcp'],
  ['tcp', 'STRICT', 'meshOpaque', 'terminate-tcp'],
  ['tcp', 'STRICT', 'foreign', 'terminate-tcp'],
  ['tcp', 'STRICT', 'browser', 'terminate-tcp'],
  ['auto', 'PERMISSIVE', 'meshHttp1', 'terminate-http'],
  ['auto', 'PERMISSIVE', 'meshHttp2', 'terminate-http'],
  ['auto', 'PERMISSIVE', 'meshHttp10', 'terminate-http'],
  ['auto', 'PERMISSIVE', 'meshOpaque', 'terminate-tcp'],
  ['auto', 'PERMISSIVE', 'meshOld', 'terminate-tcp'],
  ['auto', 'PERMISSIVE', 'foreign', 'plain-tcp'],
  ['auto', 'PERMISSIVE', 'browser', 'plain-tcp'],
  ['auto', 'STRICT', 'meshHttp1', 'terminate-http'],
  ['auto', 'STRICT', 'meshOpaque', 'terminate-tcp'],
  ['auto', 'STRICT', 'foreign', 'terminate-tcp'],
  ['auto', 'STRICT', 'browser', 'terminate-tcp'],
]

for (const [kind, mode, offer, chain] of tls) {
  test(`a ClientHello offering ${offer} to a ${mode} ${kind} port leads to ${chain}`, () => {
    assert.equal(chooseChain(kind, mode, offers[offer], 'not-http'), chain)
  })
}

const plain: readonly (readonly [PortKind, EffectiveMtls, Sniffed, Chain])[] = [
  ['http', 'DISABLE', 'http1', 'plain-http'],
  ['http', 'DISABLE', 'not-http', 'plain-http'],
  ['http', 'PERMISSIVE', 'http1', 'plain-http'],
  ['http', 'PERMISSIVE', 'http2', 'plain-http'],
  ['http', 'PERMISSIVE', 'not-http', 'plain-http'],
  ['http', 'STRICT', 'http1', 'refuse'],
  ['http', 'STRICT', 'not-http', 'refuse'],
  ['tcp', 'DISABLE', 'http1', 'plain-tcp'],
  ['tcp', 'PERMISSIVE', 'http1', 'plain-tcp'],
  ['tcp', 'PERMISSIVE', 'not-http', 'plain-tcp'],
  ['tcp', 'STRICT', 'http1', 'refuse'],
  ['tcp', 'STRICT', 'not-http', 'refuse'],
  ['auto', 'DISABLE', 'http1', 'plain-http'],
  ['auto', 'DISABLE', 'http2', 'plain-http'],
  ['auto', 'DISABLE', 'not-http', 'plain-tcp'],
  ['auto', 'PERMISSIVE', 'http1', 'plain-http'],
  ['auto', 'PERMISSIVE', 'http2', 'plain-http'],
  ['auto', 'PERMISSIVE', 'not-http', 'plain-tcp'],
  ['auto', 'STRICT', 'http1', 'refuse'],
  ['auto', 'STRICT', 'http2', 'refuse'],
  ['auto', 'STRICT', 'not-http', 'refuse'],
]

for (const [kind, mode, first, chain] of plain) {
  test(`plaintext that is ${first} on a ${mode} ${kind} port leads to ${chain}`, () => {
    assert.equal(chooseChain(kind, mode, null, first), chain)
  })
}

test('no mode and no offer ends foreign TLS as mesh TLS, or serves plaintext where STRICT holds', () => {
  for (const kind of ['http', 'tcp', 'auto'] as const) {
    for (const first of ['http1', 'http2', 'not-http'] as const) {
      assert.equal(chooseChain(kind, 'STRICT', null, first), 'refuse')
      assert.ok(!chooseChain(kind, 'PERMISSIVE', ['h2'], first).startsWith('terminate'))
      assert.ok(chooseChain(kind, 'STRICT', ['h2'], first).startsWith('terminate'))
    }
  }
})

test('the TLS inspector runs wherever a chain matches TLS, the HTTP inspector on undeclared plaintext ports only', () => {
  assert.deepEqual(
    (['DISABLE', 'PERMISSIVE', 'STRICT'] as const).map((mode) => inspectsTls(mode)),
    [false, true, true],
  )
  for (const kind of ['http', 'tcp'] as const)
    for (const mode of ['DISABLE', 'PERMISSIVE', 'STRICT'] as const)
      assert.equal(inspectsHttp(kind, mode), false)
  assert.equal(inspectsHttp('auto', 'DISABLE'), true)
  assert.equal(inspectsHttp('auto', 'PERMISSIVE'), true)
  assert.equal(inspectsHttp('auto', 'STRICT'), false)
})

test('declared protocols fall into the three rows of the table', () => {
  assert.deepEqual((['http', 'http2', 'grpc', 'tcp', 'tls', 'auto'] as const).map(portKind), [
    'http',
    'http',
    'http',
    'tcp',
    'tcp',
    'auto',
  ])
})
