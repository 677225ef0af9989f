/** What the engine does not judge yet is refused loudly, and only that. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { accepted, object, refused } from './sample.ts'

const policy = (spec: string, metadata?: string): string => object('AuthorizationPolicy', spec, metadata)

test('each unevaluated part closes the scope and is named by its path', () => {
  const from = 'spec.rules[0].from[0].source'
  const cases: [string, string][] = [
    ['{action: AUDIT}', 'spec.action: AUDIT'],
    ['{action: CUSTOM, provider: {name: p}, rules: [{}]}', 'spec.action: CUSTOM'],
    ['{rules: [{from: [{source: {requestPrincipals: ["*"]}}]}]}', `${from}.requestPrincipals`],
    ['{rules: [{from: [{source: {notRequestPrincipals: ["*"]}}]}]}', `${from}.requestPrincipals`],
    ['{rules: [{from: [{source: {remoteIpBlocks: [1.2.3.4]}}]}]}', `${from}.remoteIpBlocks`],
    [
      '{rules: [{to: [{operation: {paths: ["/a/{*}"]}}]}]}',
      'spec.rules[0].to[0].operation.paths: path template',
    ],
    [
      '{rules: [{to: [{operation: {notPaths: ["/{**}"]}}]}]}',
      'spec.rules[0].to[0].operation.paths: path template',
    ],
    ...[
      'remote.ip',
      'request.auth.principal',
      'request.auth.audiences',
      'request.auth.presenter',
      'request.auth.claims[a][b]',
      'experimental.envoy.filters.a.b[key]',
    ].map((key): [string, string] => [
      `{rules: [{when: [{key: "${key}", values: ["1.2.3.4"]}]}]}`,
      `spec.rules[0].when[0].key: ${key}`,
    ]),
  ]
  for (const [spec, part] of cases) {
    const { quarantined, stub } = refused(policy(spec))
    assert.equal(quarantined.reason, `invalid policy name.ns: ${part} is not evaluated yet`)
    assert.equal(stub?.kind === 'AuthorizationPolicy' && stub.value.action, 'DENY')
  }
})

test('several parts are counted', () => {
  const { quarantined } = refused(
    policy('{action: AUDIT, rules: [{when: [{key: remote.ip, values: [1.2.3.4]}]}]}'),
  )
  assert.equal(
    quarantined.reason,
    'invalid policy name.ns: spec.action: AUDIT is not evaluated yet (and 1 more)',
  )
})

test('dry run is refused until it is evaluated', () => {
  const metadata = '{name: name, namespace: ns, annotations: {istio.io/dry-run: "true"}}'
  assert.match(refused(policy('{}', metadata)).quarantined.reason, /dry-run.* is not evaluated yet$/)
})

test('what is evaluated passes', () => {
  const keys = [
    'source.ip',
    'source.namespace',
    'source.principal',
    'source.serviceAccount',
    'source.trustDomain',
    'destination.ip',
    'destination.port',
    'connection.sni',
    'request.headers[x]',
  ]
  for (const key of keys) {
    const text = key.endsWith('ip') ? '1.2.3.4' : '80'
    accepted('AuthorizationPolicy', policy(`{rules: [{when: [{key: "${key}", values: ["${text}"]}]}]}`))
  }
})
