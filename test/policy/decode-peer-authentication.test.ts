/** PeerAuthentication at the door (policy-semantics §8.3). */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { accepted, object, refused } from './sample.ts'

const peer = (spec: string, metadata?: string): string => object('PeerAuthentication', spec, metadata)
const value = (spec: string) => accepted('PeerAuthentication', peer(spec)).value

test('modes and ports are decoded', () => {
  assert.equal(value('{mtls: {mode: STRICT}}').mode, 'STRICT')
  for (const unset of ['{}', 'null', '{mtls: null}', '{mtls: {}}', '{mtls: {mode: UNSET}}']) {
    assert.equal(value(unset).mode, 'UNSET', unset)
  }
  const ported = value('{selector: {matchLabels: {a: b}}, portLevelMtls: {9090: {mode: DISABLE}, "80": {}}}')
  assert.deepEqual(ported.portLevel, { 80: 'UNSET', 9090: 'DISABLE' })
  assert.equal(value('{selector: {}}').selector, null)
})

test('refusals of policy-semantics §8.3', () => {
  const cases: [string, string][] = [
    ['{portLevelMtls: {80: {mode: STRICT}}}', 'spec.portLevelMtls: needs a selector with labels'],
    [
      '{selector: {}, portLevelMtls: {80: {mode: STRICT}}}',
      'spec.portLevelMtls: needs a selector with labels',
    ],
    [
      '{selector: {matchLabels: {a: b}}, portLevelMtls: {}}',
      'spec.portLevelMtls: must not be empty when present',
    ],
    [
      '{selector: {matchLabels: {a: b}}, portLevelMtls: {0: {}}}',
      'spec.portLevelMtls: expected port numbers from 1 to 65535, found "0"',
    ],
    [
      '{selector: {matchLabels: {a: b}}, portLevelMtls: {65536: {}}}',
      'spec.portLevelMtls: expected port numbers from 1 to 65535, found "65536"',
    ],
    [
      '{selector: {matchLabels: {a: b}}, portLevelMtls: {http: {}}}',
      'spec.portLevelMtls: expected port numbers from 1 to 65535, found "http"',
    ],
    [
      '{selector: {matchLabels: {a: "*"}}}',
      'spec.selector.matchLabels.a: expected a label value without "*", found "*"',
    ],
    [
      '{selector: {matchLabels: {"": b}}}',
      'spec.selector.matchLabels: expected label keys that are not empty and have no "*", found an empty string',
    ],
    [
      '{mtls: {mode: strict}}',
      'spec.mtls.mode: expected one of UNSET, DISABLE, PERMISSIVE, STRICT, found "strict"',
    ],
    ['{mtls: STRICT}', 'spec.mtls: expected a map, found "STRICT"'],
    ['{mtl: {mode: STRICT}}', 'spec: unknown field "mtl"; did you mean "mtls"?'],
  ]
  for (const [spec, reason] of cases) {
    const { quarantined, stub } = refused(peer(spec))
    assert.equal(quarantined.reason, reason)
    assert.equal(stub?.kind === 'PeerAuthentication' && stub.value.mode, 'STRICT')
  }
})

test('a dry run is not for this kind', () => {
  const { quarantined } = refused(peer('{}', '{name: a, annotations: {istio.io/dry-run: "true"}}'))
  assert.equal(
    quarantined.reason,
    'metadata.annotations["istio.io/dry-run"]: is for AuthorizationPolicy only',
  )
})
