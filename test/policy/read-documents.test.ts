/** The YAML door: origins, isolation of bad documents, and hostile input. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { decodeResource } from '../../src/policy/decode-resource.ts'
import { defaultMeshConfig } from '../../src/policy/decode-mesh-config.ts'
import { readDocuments } from '../../src/policy/read-documents.ts'

const pod = (name: string): string => `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\n`
const names = (text: string): string[] =>
  readDocuments(text, 'f.yaml').resources.map(({ meta }) => `${meta.name}@${meta.origin}`)

test('every object knows file and line of its document', () => {
  assert.deepEqual(names(`# head\n\n${pod('a')}---\n# note\n${pod('b')}`), ['a@f.yaml:3', 'b@f.yaml:8'])
  assert.deepEqual(names(`---\n---\n\n---\n${pod('a')}...\n---\n# nothing\n---\n${pod('b')}`), [
    'a@f.yaml:5',
    'b@f.yaml:12',
  ])
  assert.deepEqual(names(`%YAML 1.2\n---\n${pod('a')}`), ['a@f.yaml:3'])
  assert.deepEqual(names(`\uFEFF${pod('a').replaceAll('\n', '\r\n')}`), ['a@f.yaml:1'])
  assert.deepEqual(names(`--- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n`), ['a@f.yaml:1'])
})

test('lists are expanded, each item with its own line', () => {
  const text = `apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: b}\n`
  assert.deepEqual(names(text), ['a@f.yaml:4', 'b@f.yaml:7'])
  const typed = `apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n`
  const [first] = readDocuments(typed, 'f.yaml').resources
  assert.deepEqual([first?.apiVersion, first?.kind, first?.meta.name], ['v1', 'Pod', 'a'])
  assert.deepEqual(readDocuments('apiVersion: v1\nkind: List\nitems: null\n', 'f'), {
    resources: [],
    problems: [],
  })
})

test('JSON is read too, tabs and all', () => {
  const text = JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } }, null, '\t')
  assert.deepEqual(names(text), ['a@f.yaml:1'])
})

test('a bad document does not hide the others', () => {
  const bad = [
    'a: [',
    'a: "never closed',
    '\tx: y',
    'a: b: c',
    '- just\n- a list',
    'text',
    'a: !js/f x',
    '{kind: X}',
    '*x',
  ]
  for (const document of bad) {
    const { resources, problems } = readDocuments(`${pod('a')}---\n${document}\n---\n${pod('b')}`, 'f.yaml')
    assert.deepEqual(
      resources.map(({ meta }) => meta.name),
      ['a', 'b'],
      document,
    )
    assert.equal(problems.length, 1, document)
    assert.match(problems[0]?.origin ?? '', /^f\.yaml:[56]$/, document)
    assert.doesNotMatch(problems[0]?.reason ?? '', /[\n\r]/)
  }
})

test('a key given twice is refused wherever it stands', () => {
  const { resources, problems } = readDocuments(`${pod('a')}spec:\n  x: 1\n  x: 2\n`, 'f.yaml')
  assert.deepEqual(resources, [])
  assert.deepEqual(problems, [{ origin: 'f.yaml:6', reason: 'the key "x" is given twice' }])
})

test('a misspelt or missing kind of a group that guards closes its namespace as what was meant', () => {
  const closed = (version: string, kind: string): string => {
    const spec = 'spec: {host: a.b, selector: {matchLabels: {app: a}}}'
    const text = `apiVersion: ${version}\n${kind}metadata: {name: p, namespace: shop}\n${spec}\n`
    const { resources, problems } = readDocuments(text, 'f.yaml')
    const [raw] = resources
    if (raw === undefined) return problems.map(({ reason }) => reason).join()
    const decoded = decodeResource(raw, defaultMeshConfig)
    if (decoded.kind !== 'refused') return decoded.kind
    const { stub, quarantined } = decoded
    assert.ok(stub !== null && quarantined.reason.includes('kind: expected'), quarantined.reason)
    // What a document of an unknown kind selects is not believed.
    if (stub.kind === 'AuthorizationPolicy') assert.deepEqual(stub.value.selector, {})
    return stub.kind
  }
  const security = 'security.istio.io/v1'
  assert.equal(closed(security, 'kind: AuthorisationPolicy\n'), 'AuthorizationPolicy')
  assert.equal(closed('security.istio.io/v1beta1', 'kind: authorizationpolicies\n'), 'AuthorizationPolicy')
  assert.equal(closed(security, 'kind: PeerAuthentications\n'), 'PeerAuthentication')
  assert.equal(closed(security, 'kind: RequestAuthentification\n'), 'RequestAuthentication')
  assert.equal(closed('networking.istio.io/v1', 'kind: DestinationRules\n'), 'DestinationRule')
  // Nobody can tell, so it is taken for what would close most.
  for (const kind of ['', 'kind: 7\n', 'kind: Policy\n'])
    assert.equal(closed(security, kind), 'AuthorizationPolicy')
  // Of other groups there are other kinds.
  assert.equal(closed('networking.istio.io/v1', 'kind: VirtualService\n'), 'ignored')
  assert.equal(closed('apps/v1', 'kind: AuthorizationPolicies\n'), 'ignored')
  assert.equal(closed('apps/v1', ''), 'kind: must be set to text')
  assert.equal(closed(security, 'kind: AuthorizationPolicyList\n'), 'ignored')
})

test('a damaged policy still closes its namespace', () => {
  const text = `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: shop}\nspec:\n  selector: {matchLabels: {app: a}}\n  rules: [{}]\n  rules: []\n`
  const [raw] = readDocuments(text, 'f.yaml').resources
  assert.ok(raw)
  const decoded = decodeResource(raw, defaultMeshConfig)
  assert.equal(decoded.kind, 'refused')
  if (decoded.kind !== 'refused' || decoded.stub?.kind !== 'AuthorizationPolicy')
    return assert.fail('no stub')
  assert.equal(decoded.quarantined.reason, 'invalid policy p.shop: the key "rules" is given twice (line 7)')
  assert.equal(decoded.stub.value.action, 'DENY')
  assert.equal(decoded.stub.value.meta.namespace, 'shop')
  // What a damaged document says about its selector is not believed: everything is selected.
  assert.deepEqual(decoded.stub.value.selector, {})
})

test('bombs are refused quickly and alone', () => {
  const deepFlow = `a: ${'['.repeat(500_000)}`
  const deepBlock = `a:\n  ${'- '.repeat(5000)}x`
  const deepJson = `{"a": ${'{"a": '.repeat(200)}1${'}'.repeat(201)}`
  const laughs = [
    'a: &a [l,l,l,l,l,l,l,l,l,l]',
    ...['b', 'c', 'd', 'e', 'f', 'g'].map(
      (key, index) => `${key}: &${key} [${Array(10).fill(`*${'abcdef'[index]}`).join(',')}]`,
    ),
  ].join('\n')
  const cycle = 'a: &a [*a]'
  const huge = `a: ${'x'.repeat(9 * 2 ** 20)}`
  for (const bomb of [deepFlow, deepBlock, deepJson, laughs, cycle, huge]) {
    const started = performance.now()
    const { resources, problems } = readDocuments(`${bomb}\n---\n${pod('b')}`, 'f.yaml')
    assert.equal(resources.length, 1, bomb.slice(0, 20))
    assert.equal(problems.length, 1, bomb.slice(0, 20))
    assert.ok(performance.now() - started < 3000, bomb.slice(0, 20))
  }
})

test('many keys take no more than linear time', () => {
  const keys = Array.from({ length: 10_000 }, (_, index) => `    k${index}: v`).join('\n')
  const started = performance.now()
  assert.equal(readDocuments(`${pod('a')}spec:\n${keys}\n`, 'f.yaml').resources.length, 1)
  assert.ok(performance.now() - started < 3000)
})

test('brackets within text are not depth', () => {
  assert.deepEqual(names(`${pod('a')}spec: "${'['.repeat(300)}"\n`), ['a@f.yaml:1'])
})

test('anchors, aliases and merge keys work within their limits', () => {
  const [raw] = readDocuments(`${pod('a')}x: &x {p: 1}\ny: {<<: *x, q: 2}\n`, 'f.yaml').resources
  assert.deepEqual(raw?.object['y'], { p: 1, q: 2 })
})

test('only a file called mesh.yaml may hold an object without kind', () => {
  for (const file of ['mesh.yaml', 'folder/mesh.yml', 'mesh.json']) {
    const [raw] = readDocuments('{"trustDomain": "example.org"}', file).resources
    assert.equal(raw?.kind, 'MeshConfig', file)
  }
  const { resources, problems } = readDocuments('trustDomain: example.org', 'my-mesh.yaml')
  assert.deepEqual(resources, [])
  assert.deepEqual(problems, [{ origin: 'my-mesh.yaml:1', reason: 'kind: must be set to text' }])
})

test('numbers stay numbers and words of older YAML stay words', () => {
  const [raw] = readDocuments(
    `${pod('a')}spec: {a: yes, b: 0777, c: 1_000, d: 8080, e: null, 80: x}\n`,
    'f',
  ).resources
  assert.deepEqual(raw?.object['spec'], { a: 'yes', b: 777, c: '1_000', d: 8080, e: null, 80: 'x' })
})
