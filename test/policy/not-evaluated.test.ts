/** What the engine does not judge yet is refused loudly, and only that. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { accepted, object, refused } from './sample.ts'

const policy = (spec: string, metadata?: string): string => object('AuthorizationPolicy', spec, metadata)

test('each unevaluated part closes the scope and is named by its path', () => {
  const key = 'experimental.envoy.filters.a.b[key]'
  const cases: [string, string][] = [
    [`{rules: [{when: [{key: "${key}", values: [x]}]}]}`, `spec.rules[0].when[0].key: ${key}`],
    [
      `{action: DENY, rules: [{when: [{key: "${key}", notValues: [x]}]}]}`,
      `spec.rules[0].when[0].key: ${key}`,
    ],
  ]
  // Pseudo header fields that a request here does not have.
  for (const name of [':scheme', ':Protocol', ':x'])
    cases.push([
      `{rules: [{when: [{key: "request.headers[${name}]", notValues: [x]}]}]}`,
      `spec.rules[0].when[0].key: request.headers[${name}]`,
    ])
  for (const [spec, part] of cases) {
    const { quarantined, stub } = refused(policy(spec))
    assert.equal(quarantined.reason, `invalid policy name.ns: ${part} is not evaluated yet`)
    assert.equal(stub?.kind === 'AuthorizationPolicy' && stub.value.action, 'DENY')
  }
})

test('several parts are counted', () => {
  const key = 'experimental.envoy.filters.a.b[key]'
  const { quarantined } = refused(
    policy(
      `{rules: [{when: [{key: "${key}", values: [x]}, {key: "${key.replace('a.b', 'c')}", values: [x]}]}]}`,
    ),
  )
  assert.equal(
    quarantined.reason,
    `invalid policy name.ns: spec.rules[0].when[0].key: ${key} is not evaluated yet (and 1 more)`,
  )
})

test('what attaches to a gateway is not judged here at all', () => {
  const targets = 'targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: g}]'
  const key = 'experimental.envoy.filters.a.b[key]'
  accepted('AuthorizationPolicy', policy(`{${targets}, rules: [{when: [{key: "${key}", values: [x]}]}]}`))
})

test('AUDIT, CUSTOM and dry run are evaluated', () => {
  accepted('AuthorizationPolicy', policy('{action: AUDIT}'))
  accepted('AuthorizationPolicy', policy('{action: CUSTOM, provider: {name: p}, rules: [{}]}'))
  const metadata = '{name: name, namespace: ns, annotations: {istio.io/dry-run: "true"}}'
  const { value } = accepted('AuthorizationPolicy', policy('{}', metadata))
  assert.equal(value.dryRun, true)
})

test('every key and field of the reference is evaluated', () => {
  const keys = [
    'source.ip',
    'source.namespace',
    'source.principal',
    'source.serviceAccount',
    'source.trustDomain',
    'destination.ip',
    'destination.port',
    'connection.sni',
    'remote.ip',
    'request.headers[x]',
    'request.headers[Host]',
    'request.headers[:authority]',
    'request.headers[:method]',
    'request.headers[:path]',
    'request.auth.principal',
    'request.auth.audiences',
    'request.auth.presenter',
    'request.auth.claims[a][b]',
  ]
  for (const key of keys) {
    const text = key.endsWith('ip') ? '1.2.3.4' : '80'
    accepted('AuthorizationPolicy', policy(`{rules: [{when: [{key: "${key}", values: ["${text}"]}]}]}`))
  }
  for (const source of ['requestPrincipals: ["*"]', 'notRequestPrincipals: [a]', 'remoteIpBlocks: [1.2.3.4]'])
    accepted('AuthorizationPolicy', policy(`{rules: [{from: [{source: {${source}}}]}]}`))
  for (const paths of ['paths: ["/a/{*}"]', 'notPaths: ["/{**}"]'])
    accepted('AuthorizationPolicy', policy(`{rules: [{to: [{operation: {${paths}}}]}]}`))
})
