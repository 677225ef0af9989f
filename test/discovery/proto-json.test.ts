import { test } from 'node:test'
import assert from 'node:assert/strict'
import { decodeSpec, encodeSpec } from '../../src/discovery/proto-json.ts'
import {
  authorizationPolicyType,
  destinationRuleType,
  meshConfigType,
  peerAuthenticationType,
  requestAuthenticationType,
  serviceEntryType,
  type ResourceType,
} from '../../src/discovery/resource-type.ts'
import { defaultMeshConfig } from '../../src/policy/decode-mesh-config.ts'
import { meshConfigSpec } from '../../src/discovery/mesh-config-spec.ts'

const there = (type: ResourceType, spec: Record<string, unknown>) => {
  const encoded = encodeSpec(type, spec)
  assert.ok(encoded.ok, encoded.ok ? '' : encoded.reason)
  return decodeSpec(type, encoded.bytes)
}
const refusal = (type: ResourceType, spec: Record<string, unknown>) => {
  const encoded = encodeSpec(type, spec)
  return encoded.ok ? null : encoded.reason
}

test('an AuthorizationPolicy comes back with all its fields', () => {
  const twins = (...names: string[]) =>
    Object.fromEntries(
      names.flatMap((n) => [
        [n, ['a']],
        [`not${n[0]?.toUpperCase()}${n.slice(1)}`, ['b', '']],
      ]),
    )
  const spec = {
    selector: { matchLabels: { app: 'shop', 'a_b/c.d': '' } },
    action: 'DENY',
    rules: [
      {
        from: [
          {
            source: twins(
              'principals',
              'requestPrincipals',
              'namespaces',
              'serviceAccounts',
              'trustDomains',
              'ipBlocks',
              'remoteIpBlocks',
            ),
          },
        ],
        to: [{ operation: twins('hosts', 'ports', 'methods', 'paths') }],
        when: [{ key: 'request.headers[x]', values: ['1'], notValues: ['2'] }],
      },
      {},
    ],
  }
  assert.deepEqual(there(authorizationPolicyType, spec), spec)
  const targets = {
    action: 'CUSTOM',
    provider: { name: 'opa' },
    targetRefs: [{ group: 'g', kind: 'k', name: 'n' }],
  }
  assert.deepEqual(there(authorizationPolicyType, targets), targets)
})

test('an absent action is the default one, an empty selector stays a selector', () => {
  assert.deepEqual(there(authorizationPolicyType, { selector: {} }), { selector: {}, action: 'ALLOW' })
})

test('modes, port maps and JWT rules come back', () => {
  const peer = {
    selector: { matchLabels: { app: 'x' } },
    mtls: { mode: 'STRICT' },
    portLevelMtls: { '8080': { mode: 'DISABLE' }, '9090': { mode: 'UNSET' } },
  }
  assert.deepEqual(there(peerAuthenticationType, peer), peer)
  const request = {
    jwtRules: [
      {
        issuer: 'i',
        audiences: ['a'],
        jwksUri: 'https://x/y',
        timeout: '5s',
        fromHeaders: [{ name: 'h', prefix: 'p ' }],
        forwardOriginalToken: true,
        outputClaimToHeaders: [{ header: 'x', claim: 'c' }],
      },
    ],
  }
  assert.deepEqual(there(requestAuthenticationType, request), request)
})

test('durations, wrappers and nested settings of a DestinationRule come back', () => {
  const spec = {
    host: 'db.shop.svc.cluster.local',
    trafficPolicy: {
      tls: { mode: 'SIMPLE', insecureSkipVerify: false, subjectAltNames: ['a'] },
      connectionPool: {
        tcp: { connectTimeout: '0.250s', maxConnections: 7, tcpKeepalive: { time: '7200s' } },
      },
      portLevelSettings: [{ port: { number: 443 }, tls: { mode: 'DISABLE' } }],
      outlierDetection: { consecutive5xxErrors: 0, interval: '1m' },
    },
    subsets: [
      { name: 'v1', labels: { version: 'v1' }, trafficPolicy: { loadBalancer: { simple: 'RANDOM' } } },
    ],
    exportTo: ['.'],
    workloadSelector: { matchLabels: { a: 'b' } },
  }
  const back = there(destinationRuleType, spec)
  const wanted = structuredClone(spec)
  wanted.trafficPolicy.connectionPool.tcp.connectTimeout = '0.25s'
  wanted.trafficPolicy.outlierDetection.interval = '60s'
  assert.deepEqual(back, wanted)
})

test('a ServiceEntry comes back', () => {
  const spec = {
    hosts: ['*.example.com'],
    addresses: ['10.0.0.0/8'],
    ports: [{ number: 443, name: 'https', protocol: 'TLS', targetPort: 8443 }],
    location: 'MESH_INTERNAL',
    resolution: 'STATIC',
    endpoints: [
      { address: '10.1.1.1', ports: { https: 9443 }, labels: { app: 'x' }, weight: 3, serviceAccount: 's' },
    ],
    subjectAltNames: ['spiffe://a/b'],
  }
  assert.deepEqual(there(serviceEntryType, spec), spec)
})

test('a MeshConfig in force comes back, our own parts too', () => {
  const mesh = {
    ...defaultMeshConfig,
    domain: 'mesh.test',
    pathNormalization: 'STRICT' as const,
    enableAutoMtls: false,
    protocolDetectionTimeoutMs: 100,
    extensionProviders: [
      {
        name: 'a',
        kind: 'envoyExtAuthzHttp' as const,
        settings: { service: 's', port: 80, path_prefix: '/x' },
      },
      { name: 'b', kind: 'other' as const, settings: { service: 'zipkin' } },
    ],
  }
  const back = there(meshConfigType, meshConfigSpec(mesh) as Record<string, unknown>)
  assert.equal(back['domain'], 'mesh.test')
  assert.deepEqual(back['pathNormalization'], { normalization: 'STRICT' })
  assert.equal(back['enableAutoMtls'], false)
  assert.equal(back['protocolDetectionTimeout'], '0.1s')
  assert.deepEqual(back['extensionProviders'], [
    { name: 'a', envoyExtAuthzHttp: { service: 's', port: 80, pathPrefix: '/x' } },
  ])
})

test('what the message has no place for is refused with its path, at any depth', () => {
  assert.match(
    refusal(authorizationPolicyType, { rules: [{ from: [{ source: { bogus: [] } }] }] }) ?? '',
    /bogus/,
  )
  const deep = { rules: [{ from: [{ source: { principals: ['a'], principal: ['b'] } }] }] }
  assert.match(
    refusal(authorizationPolicyType, deep) ?? '',
    /^spec\.rules\[0\]\.from\[0\]\.source\.principal:/,
  )
  assert.match(refusal(authorizationPolicyType, { action: 'PERMIT' }) ?? '', /^spec\.action/)
  assert.match(refusal(peerAuthenticationType, { mtls: { mode: 'LAX' } }) ?? '', /^spec\.mtls\.mode/)
  assert.ok(refusal(authorizationPolicyType, { rules: { from: [] } }) !== null)
  const both = { host: 'a', trafficPolicy: { connectionPool: { tcp: { connectTimeout: 'soon' } } } }
  assert.match(refusal(destinationRuleType, both) ?? '', /connectTimeout: expected a duration/)
})

test('a number where text is wanted is no loss', () => {
  const spec = { rules: [{ to: [{ operation: { ports: [8080] } }] }] }
  assert.equal(refusal(authorizationPolicyType, spec), null)
})
