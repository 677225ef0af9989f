/** MeshConfig at the door: Istio's defaults, what is obeyed, what is only named, what is refused. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { decodeResource } from '../../src/policy/decode-resource.ts'
import { defaultMeshConfig } from '../../src/policy/decode-mesh-config.ts'
import { readDocuments } from '../../src/policy/read-documents.ts'
import { accepted, refused } from './sample.ts'

const read = (text: string) => {
  const [raw] = readDocuments(text, 'mesh.yaml').resources
  return decodeResource(raw ?? assert.fail('no resource'), defaultMeshConfig)
}
const configMap = (mesh: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: ${JSON.stringify(mesh)}\n  meshNetworks: "networks: {}"\n`

const full = `
trustDomain: example.org
trustDomainAliases: [old.example.org]
rootNamespace: root
pathNormalization: {normalization: MERGE_SLASHES}
outboundTrafficPolicy: {mode: REGISTRY_ONLY}
enableAutoMtls: false
protocolDetectionTimeout: 100ms
connectTimeout: 3s
extensionProviders: [{name: p, envoyExtAuthzGrpc: {service: a.b, port: 1}}, {name: q, zipkin: {}}]
meshMTLS: {minProtocolVersion: TLSV1_3, cipherSuites: [X]}
accessLogFile: /dev/stdout
defaultConfig: {proxyMetadata: {}}
`

test('a plain mesh.yaml and the ConfigMap istio mean the same', () => {
  const plain = read(full)
  const mapped = accepted('MeshConfig', configMap(full))
  assert.ok(plain.kind === 'MeshConfig')
  assert.deepEqual(plain.value, mapped.value)
  const [authorizer] = plain.value.extensionProviders
  assert.ok(authorizer?.authorizer?.ok)
  assert.equal(authorizer.authorizer.settings.service.host, 'a.b')
  assert.deepEqual(plain.value, {
    trustDomain: 'example.org',
    trustDomainAliases: ['old.example.org'],
    rootNamespace: 'root',
    domain: 'cluster.local',
    pathNormalization: 'MERGE_SLASHES',
    outboundTrafficPolicy: 'REGISTRY_ONLY',
    enableAutoMtls: false,
    protocolDetectionTimeoutMs: 100,
    connectTimeoutMs: 3000,
    extensionProviders: [
      {
        name: 'p',
        kind: 'envoyExtAuthzGrpc',
        settings: { service: 'a.b', port: 1 },
        authorizer: authorizer.authorizer,
      },
      { name: 'q', kind: 'other', settings: {}, authorizer: null },
    ],
    meshMtls: { minProtocolVersion: 'TLSv1.3', cipherSuites: ['X'] },
    accessLogFile: '/dev/stdout',
  })
  assert.deepEqual(plain.warnings, ['defaultConfig: accepted without effect'])
  assert.deepEqual(mapped.warnings, ['data.mesh.defaultConfig: accepted without effect'])
})

test('an empty ConfigMap is all defaults, and another ConfigMap is ignored', () => {
  assert.deepEqual(accepted('MeshConfig', configMap('')).value, defaultMeshConfig)
  const [raw] = readDocuments(configMap('').replace('name: istio,', 'name: other,'), 'f').resources
  assert.equal(decodeResource(raw ?? assert.fail(), defaultMeshConfig).kind, 'ignored')
})

test('DEFAULT is BASE, and STRICT is ours', () => {
  const mode = (text: string) =>
    accepted('MeshConfig', configMap(`pathNormalization: {normalization: ${text}}`))
  assert.equal(mode('DEFAULT').value.pathNormalization, 'BASE')
  assert.equal(mode('STRICT').value.pathNormalization, 'STRICT')
})

test('what Istio does not know is refused', () => {
  const cases: [string, RegExp][] = [
    ['trustDomainAlias: [x]', /^data\.mesh: unknown field "trustDomainAlias"/],
    ['trustDomain: A.B', /^data\.mesh\.trustDomain: expected a trust domain .*found "A\.B"$/],
    ['trustDomain: spiffe://a', /trustDomain: expected/],
    ['enableAutoMtls: "true"', /^data\.mesh\.enableAutoMtls: expected true or false, found "true"$/],
    ['pathNormalization: BASE', /^data\.mesh\.pathNormalization: expected a map, found "BASE"$/],
    ['connectTimeout: 0s', /connectTimeout: expected a duration of at least "1ms"/],
    [
      'outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS}',
      /mode: expected one of REGISTRY_ONLY, ALLOW_ANY/,
    ],
    ['extensionProviders: [{name: a}]', /\[0\]: expected name and exactly one provider, found 0$/],
    [
      'extensionProviders: [{name: a, zipkin: {}}, {name: a, zipkin: {}}]',
      /\[1\]\.name: "a" is given twice$/,
    ],
    ['a: [', /^data\.mesh: not readable as YAML/],
    [
      'trustDomain: a\ntrustDomain: b',
      /^data\.mesh: the key "trustDomain" is given twice \(line 2 of the text\)$/,
    ],
  ]
  for (const [text, reason] of cases) {
    const { quarantined, stub } = refused(configMap(text))
    assert.match(quarantined.reason, reason)
    assert.equal(stub, null)
  }
  const plain = read('trustDomian: x')
  assert.equal(
    plain.kind === 'refused' && plain.quarantined.reason,
    'unknown field "trustDomian"; did you mean "trustDomain"?',
  )
})
