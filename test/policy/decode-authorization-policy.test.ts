/** AuthorizationPolicy at the door: each row of policy-semantics §1.1 and §8.1, with the words of its refusal. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { accepted, object, refused } from './sample.ts'

const policy = (spec: string, metadata?: string): string => object('AuthorizationPolicy', spec, metadata)
const value = (spec: string) => accepted('AuthorizationPolicy', policy(spec)).value
const reason = (spec: string, metadata?: string): string => refused(policy(spec, metadata)).quarantined.reason
const rule = (inner: string): string => `{rules: [${inner}]}`

test('shapes mean what policy-semantics §1.1 says', () => {
  assert.deepEqual(value('{}').rules, [])
  assert.equal(value('{}').action, 'ALLOW')
  for (const empty of ['{rules: null}', '{rules: []}', 'null'])
    assert.deepEqual(value(empty).rules, [], empty)
  assert.deepEqual(value('{rules: [{}]}').rules, [{ from: [], to: [], when: [] }])
  assert.deepEqual(value('{action: DENY, rules: [{}]}').rules, [{ from: [], to: [], when: [] }])
  assert.deepEqual(value('{rules: [{from: null, to: null, when: []}]}').rules, [
    { from: [], to: [], when: [] },
  ])
  const [half] = value('{rules: [{from: [{source: {principals: [], notPrincipals: [x]}}]}]}').rules
  assert.deepEqual(half?.from[0]?.principals, { values: [], notValues: ['x'] })
})

test('every field is decoded with its twin', () => {
  const text = `
    selector: {matchLabels: {app: a}}
    action: DENY
    rules:
    - from:
      - source: {principals: [td/ns/a/sa/b], not_principals: ["*"], namespaces: ["a*"], trustDomains: ["*.corp"], notTrustDomains: [x]}
      - source: {serviceAccounts: [sa, other/sa], notIpBlocks: [10.0.0.0/8, "2001:db8::1"]}
      to:
      - operation: {hosts: ["*.example.com"], ports: ["80"], notMethods: [GET], paths: ["/a*"]}
      when:
      - {key: "request.headers[X-Tier]", values: [gold], notValues: [trial]}
      - {key: source.serviceAccount, notValues: [sa]}
      - {key: connection.sni, values: ["*"]}
      - {key: destination.port, values: ["8080"]}
      - {key: destination.ip, values: [10.1.2.3]}`
  const decoded = value(text.replaceAll('\n', '\n '))
  assert.deepEqual(decoded.selector, { app: 'a' })
  const [one] = decoded.rules
  assert.deepEqual(one?.from[0]?.principals, { values: ['td/ns/a/sa/b'], notValues: ['*'] })
  assert.deepEqual(one?.from[0]?.trustDomains, { values: ['*.corp'], notValues: ['x'] })
  assert.deepEqual(one?.from[1]?.serviceAccounts, { values: ['ns/sa', 'other/sa'], notValues: [] })
  assert.deepEqual(one?.from[1]?.ipBlocks, { values: [], notValues: ['10.0.0.0/8', '2001:db8::1'] })
  assert.equal(one?.from[1]?.principals, null)
  assert.deepEqual(one?.to[0]?.methods, { values: [], notValues: ['GET'] })
  assert.deepEqual(one?.when[0], { key: 'request.headers[X-Tier]', values: ['gold'], notValues: ['trial'] })
  assert.deepEqual(one?.when[1], { key: 'source.serviceAccount', values: [], notValues: ['ns/sa'] })
})

const from = (source: string): string => rule(`{from: [{source: ${source}}]}`)
const to = (operation: string): string => rule(`{to: [{operation: ${operation}}]}`)
const when = (condition: string): string => rule(`{when: [${condition}]}`)
const S = 'spec.rules[0].from[0].source'
const O = 'spec.rules[0].to[0].operation'
const W = 'spec.rules[0].when[0]'

test('a port is a number however it is written', () => {
  const spelt = '["080", "0", "65535", "0000000000443"]'
  const [one] = value(
    rule(`{to: [{operation: {ports: ${spelt}}}], when: [{key: destination.port, notValues: ${spelt}}]}`),
  ).rules
  const ports = ['80', '0', '65535', '443']
  assert.deepEqual(one?.to[0]?.ports?.values, ports)
  assert.deepEqual(one?.when[0]?.notValues, ports)
})

test('limits are what may still be written', () => {
  const many = (count: number, entry: string): string => Array(count).fill(entry).join(', ')
  value(`{rules: [${many(512, '{}')}]}`)
  value(from(`{serviceAccounts: [${many(15, 'a')}, ${'a'.repeat(320)}]}`))
  value(`{targetRefs: [${many(16, '{kind: Service, name: s}')}]}`)
  value(`{selector: {matchLabels: {a: ${'b'.repeat(63)}}}}`)
})

test('what may stand in targetRefs is a Service, ServiceEntry, Gateway or GatewayClass of its group', () => {
  for (const kind of [
    'kind: Service',
    'group: core, kind: Service',
    'group: networking.istio.io, kind: ServiceEntry',
    'group: gateway.networking.k8s.io, kind: Gateway',
    'group: gateway.networking.k8s.io, kind: GatewayClass',
  ])
    assert.equal(value(`{targetRefs: [{${kind}, name: s}]}`).targetsGateway, true, kind)
})

const refusals: [row: string, spec: string, detail: string][] = [
  [
    'selector and targetRefs',
    '{selector: {matchLabels: {a: b}}, targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}]}',
    'spec: only one of selector, targetRef and targetRefs can be set, found selector and targetRefs',
  ],
  [
    'targetRef and targetRefs',
    '{targetRef: {kind: Service, name: s}, targetRefs: [{kind: Service, name: s}]}',
    'spec: only one of selector, targetRef and targetRefs can be set, found targetRef and targetRefs',
  ],
  [
    'selector, empty key',
    '{selector: {matchLabels: {"": b}}}',
    'spec.selector.matchLabels: expected label keys that are not empty and have no "*", found an empty string',
  ],
  [
    'selector, star in key',
    '{selector: {matchLabels: {"a*": b}}}',
    'spec.selector.matchLabels: expected label keys that are not empty and have no "*", found "a*"',
  ],
  [
    'selector, star in value',
    '{selector: {matchLabels: {a: "b*"}}}',
    'spec.selector.matchLabels.a: expected a label value without "*", found "b*"',
  ],
  [
    'selector, long value',
    `{selector: {matchLabels: {a: ${'b'.repeat(64)}}}}`,
    `spec.selector.matchLabels.a: expected a label value of at most 63 characters, found "${'b'.repeat(60)}…"`,
  ],
  [
    'selector, matchExpressions',
    '{selector: {matchExpressions: []}}',
    'spec.selector: unknown field "matchExpressions"; expected one of matchLabels',
  ],
  ['targetRef without name', '{targetRefs: [{kind: Service}]}', 'spec.targetRefs[0].name: must be set'],
  [
    'targetRef with namespace',
    '{targetRefs: [{kind: Service, name: s, namespace: x}]}',
    'spec.targetRefs[0].namespace: must not be set: an object attaches within its own namespace only',
  ],
  [
    'targetRef of a strange kind',
    '{targetRefs: [{kind: Deployment, group: apps, name: s}]}',
    'spec.targetRefs[0]: expected the kind Service, ServiceEntry, Gateway or GatewayClass of its own group, found "apps/Deployment"',
  ],
  [
    'too many targetRefs',
    `{targetRefs: [${Array(17).fill('{kind: Service, name: s}').join(', ')}]}`,
    'spec.targetRefs: expected at most 16 items, found 17',
  ],
  [
    'DENY without rules',
    '{action: DENY}',
    'spec.rules: must not be empty: a DENY policy without rules would never match',
  ],
  [
    'DENY with empty rules',
    '{action: DENY, rules: []}',
    'spec.rules: must not be empty: a DENY policy without rules would never match',
  ],
  [
    'CUSTOM without rules',
    '{action: CUSTOM, provider: {name: p}}',
    'spec.rules: must not be empty: a CUSTOM policy without rules would never match',
  ],
  [
    'CUSTOM without provider',
    '{action: CUSTOM, rules: [{}]}',
    'spec.provider.name: must not be empty with action CUSTOM',
  ],
  [
    'CUSTOM with a nameless provider',
    '{action: CUSTOM, provider: {}, rules: [{}]}',
    'spec.provider.name: must not be empty with action CUSTOM',
  ],
  [
    'provider with another action',
    '{provider: {name: p}}',
    'spec.provider: must not be set with action ALLOW',
  ],
  [
    'unknown action',
    '{action: Allow}',
    'spec.action: expected one of ALLOW, DENY, AUDIT, CUSTOM, found "Allow"',
  ],
  ...['principals', 'requestPrincipals', 'namespaces', 'serviceAccounts', 'trustDomains'].flatMap((name) =>
    [name, `not${name.charAt(0).toUpperCase()}${name.slice(1)}`].map((field): [string, string, string] => [
      `CUSTOM with ${field}`,
      `{action: CUSTOM, provider: {name: p}, rules: [{from: [{source: {${field}: [x]}}]}]}`,
      `${S}: ${name} cannot be used with action CUSTOM`,
    ]),
  ),
  ...[
    'source.namespace',
    'source.serviceAccount',
    'source.trustDomain',
    'source.principal',
    'request.auth.principal',
    'request.auth.audiences',
    'request.auth.presenter',
    'request.auth.claims[a]',
  ].map((key): [string, string, string] => [
    `CUSTOM with ${key}`,
    `{action: CUSTOM, provider: {name: p}, rules: [{when: [{key: "${key}", values: [x]}]}]}`,
    `${W}.key: ${key} cannot be used with action CUSTOM`,
  ]),
  ['null rule', rule('null'), 'spec.rules[0]: expected a map, found null'],
  ['empty from', rule('{from: []}'), 'spec.rules[0].from: must not be empty'],
  ['empty to', rule('{to: []}'), 'spec.rules[0].to: must not be empty'],
  ['null from entry', rule('{from: [null]}'), 'spec.rules[0].from[0]: expected a map, found null'],
  ['null to entry', rule('{to: [null]}'), 'spec.rules[0].to[0]: expected a map, found null'],
  ['from without source', rule('{from: [{}]}'), `${S}: must be set`],
  ['null source', rule('{from: [{source: null}]}'), `${S}: must be set`],
  ['to without operation', rule('{to: [{}]}'), `${O}: must be set`],
  ['null operation', rule('{to: [{operation: null}]}'), `${O}: must be set`],
  ['empty source', from('{}'), `${S}: must have at least one field: an empty source would match everything`],
  [
    'source of empty lists',
    from('{principals: []}'),
    `${S}: must have at least one field: an empty source would match everything`,
  ],
  [
    'empty operation',
    to('{}'),
    `${O}: must have at least one field: an empty operation would match everything`,
  ],
  [
    'operation of empty lists',
    to('{methods: [], notPaths: []}'),
    `${O}: must have at least one field: an empty operation would match everything`,
  ],
  [
    'too many sources',
    rule(`{from: [${Array(513).fill('{source: {principals: [x]}}').join(', ')}]}`),
    'spec.rules[0].from: expected at most 512 items, found 513',
  ],
  ['from is no list', rule('{from: {source: {}}}'), 'spec.rules[0].from: expected a list, found a map'],
  [
    'serviceAccounts with principals',
    from('{serviceAccounts: [a], notPrincipals: [b]}'),
    `${S}: serviceAccounts cannot be combined with principals or namespaces`,
  ],
  [
    'serviceAccounts with namespaces',
    from('{notServiceAccounts: [a], namespaces: [b]}'),
    `${S}: serviceAccounts cannot be combined with principals or namespaces`,
  ],
  [
    'serviceAccounts of three parts',
    from('{serviceAccounts: [a/b/c]}'),
    `${S}.serviceAccounts[0]: expected "namespace/account" or "account", without "*", found "a/b/c"`,
  ],
  [
    'serviceAccounts with an empty half',
    from('{serviceAccounts: ["a/"]}'),
    `${S}.serviceAccounts[0]: expected "namespace/account" or "account", without "*", found "a/"`,
  ],
  [
    'serviceAccounts with a star',
    from('{serviceAccounts: ["a/*"]}'),
    `${S}.serviceAccounts[0]: expected "namespace/account" or "account", without "*", found "a/*"`,
  ],
  [
    'too many serviceAccounts',
    from(`{serviceAccounts: [${Array(17).fill('a').join(', ')}]}`),
    `${S}.serviceAccounts: expected at most 16 items, found 17`,
  ],
  [
    'a long serviceAccount',
    from(`{serviceAccounts: [${'a'.repeat(321)}]}`),
    `${S}.serviceAccounts[0]: expected at most 320 characters, found 321`,
  ],
  [
    'trust domain with a slash',
    from('{trustDomains: [a/b]}'),
    `${S}.trustDomains[0]: expected a trust domain without "/", found "a/b"`,
  ],
  [
    'trust domain with an inner star',
    from('{trustDomains: ["a*b"]}'),
    `${S}.trustDomains[0]: expected a trust domain with at most one "*", at its start or end, found "a*b"`,
  ],
  [
    'trust domain with two stars',
    from('{trustDomains: ["*a*"]}'),
    `${S}.trustDomains[0]: expected a trust domain with at most one "*", at its start or end, found "*a*"`,
  ],
  ...['ipBlocks', 'notIpBlocks', 'remoteIpBlocks', 'notRemoteIpBlocks'].map(
    (field): [string, string, string] => [
      `bad ${field}`,
      from(`{${field}: [10.0.0.0/33]}`),
      `${S}.${field}[0]: expected an IP address or CIDR, found "10.0.0.0/33"`,
    ],
  ),
  ...['source.ip', 'remote.ip', 'destination.ip'].map((key): [string, string, string] => [
    `bad ${key}`,
    when(`{key: ${key}, notValues: [1.2.3]}`),
    `${W}.notValues[0]: expected an IP address or CIDR, found "1.2.3"`,
  ]),
  ...['trustDomains', 'notTrustDomains'].map((field): [string, string, string] => [
    `${field} with a slash`,
    from(`{${field}: [td/ns/a/sa/b]}`),
    `${S}.${field}[0]: expected a trust domain without "/", found "td/ns/a/sa/b"`,
  ]),
  [
    'source.trustDomain with an inner star',
    when('{key: source.trustDomain, values: ["a*b"]}'),
    `${W}.values[0]: expected a trust domain with at most one "*", at its start or end, found "a*b"`,
  ],
  [
    'source.serviceAccount of three parts',
    when('{key: source.serviceAccount, notValues: [a/b/c]}'),
    `${W}.notValues[0]: expected "namespace/account" or "account", without "*", found "a/b/c"`,
  ],
  [
    'too many values of source.serviceAccount',
    when(`{key: source.serviceAccount, values: [${Array(17).fill('a').join(', ')}]}`),
    `${W}.values: expected at most 16 items, found 17`,
  ],
  [
    'port too large',
    to('{ports: ["65536"]}'),
    `${O}.ports[0]: expected a port from 0 to 65535, found "65536"`,
  ],
  ...['-1', '+80', '80.0', '0x50', ' 80', '*'].map((port): [string, string, string] => [
    `port ${port}`,
    to(`{notPorts: ["${port}"]}`),
    `${O}.notPorts[0]: expected a port from 0 to 65535, found "${port}"`,
  ]),
  [
    'port range',
    to('{notPorts: ["80-90"]}'),
    `${O}.notPorts[0]: expected a port from 0 to 65535, found "80-90"`,
  ],
  ['port as number', to('{ports: [80]}'), `${O}.ports[0]: expected a string, found 80 (put it in quotes)`],
  [
    'destination.port',
    when('{key: destination.port, values: ["x"]}'),
    `${W}.values[0]: expected a port from 0 to 65535, found "x"`,
  ],
  ...[
    'principals',
    'requestPrincipals',
    'namespaces',
    'serviceAccounts',
    'trustDomains',
    'ipBlocks',
    'remoteIpBlocks',
  ].flatMap((name) =>
    [name, `not${name.charAt(0).toUpperCase()}${name.slice(1)}`].map((field): [string, string, string] => [
      `empty string in ${field}`,
      from(`{${field}: [""]}`),
      `${S}.${field}[0]: expected a non-empty string, found an empty string`,
    ]),
  ),
  ...['hosts', 'notHosts', 'methods', 'notMethods', 'paths', 'notPaths'].map(
    (field): [string, string, string] => [
      `empty string in ${field}`,
      to(`{${field}: [""]}`),
      `${O}.${field}[0]: expected a non-empty string, found an empty string`,
    ],
  ),
  ...['ports', 'notPorts'].map((field): [string, string, string] => [
    `empty string in ${field}`,
    to(`{${field}: [""]}`),
    `${O}.${field}[0]: expected a port from 0 to 65535, found an empty string`,
  ]),
  ...['source.ip', 'source.namespace', 'source.principal', 'connection.sni', 'request.headers[x]'].map(
    (key): [string, string, string] => [
      `empty string in ${key}`,
      when(`{key: "${key}", notValues: [""]}`),
      `${W}.notValues[0]: expected a non-empty string, found an empty string`,
    ],
  ),
  ['null in a value list', from('{principals: [null]}'), `${S}.principals[0]: expected a string, found null`],
  [
    'stray braces in a path',
    to('{paths: ["/a/{b}"]}'),
    `${O}.paths[0]: expected a path without braces other than "{*}" and "{**}", found "/a/{b}"`,
  ],
  [
    'operator not a whole segment',
    to('{paths: ["/a{*}"]}'),
    `${O}.paths[0]: expected a path template whose "{*}" and "{**}" fill whole segments, without other braces, found "/a{*}"`,
  ],
  [
    'operator after {**}',
    to('{paths: ["/{**}/{*}"]}'),
    `${O}.paths[0]: expected a path template with no operator after "{**}", found "/{**}/{*}"`,
  ],
  ...['{**}', 'a/{*}', '{*}'].map((path): [string, string, string] => [
    `template ${path} without a leading slash`,
    to(`{paths: ["${path}"]}`),
    `${O}.paths[0]: expected a path template that begins with "/", found "${path}"`,
  ]),
  [
    'star in a template',
    to('{notPaths: ["/{*}/a*"]}'),
    `${O}.notPaths[0]: expected a path template whose literal segments are not empty and hold only path characters (no "*"), found "/{*}/a*"`,
  ],
  [
    'empty segment in a template',
    to('{paths: ["/a//{*}"]}'),
    `${O}.paths[0]: expected a path template whose literal segments are not empty and hold only path characters (no "*"), found "/a//{*}"`,
  ],
  ['null condition', rule('{when: [null]}'), `${W}: expected a map, found null`],
  ['condition without key', when('{values: [x]}'), `${W}.key: must be set`],
  [
    'condition with empty key',
    when('{key: "", values: [x]}'),
    `${W}.key: expected a non-empty string, found an empty string`,
  ],
  [
    'condition without values',
    when('{key: source.ip}'),
    `${W}: at least one of values and notValues must be set`,
  ],
  [
    'condition of empty lists',
    when('{key: source.ip, values: [], notValues: []}'),
    `${W}: at least one of values and notValues must be set`,
  ],
  ...[
    'destination.name',
    'destination.namespace',
    'destination.user',
    'destination.labels[a]',
    'source.labels[a]',
    'request.auth',
  ].map((key): [string, string, string] => [
    `unknown key ${key}`,
    when(`{key: "${key}", values: [x]}`),
    `${W}.key: expected a known key such as source.ip or request.headers[name], found "${key}"`,
  ]),
  [
    'inherited key',
    when('{key: constructor, values: [x]}'),
    `${W}.key: expected a known key such as source.ip or request.headers[name], found "constructor"`,
  ],
  [
    'headers without brackets',
    when('{key: request.headers, values: [x]}'),
    `${W}.key: expected a key of the form request.headers[name], found "request.headers"`,
  ],
  [
    'headers with empty brackets',
    when('{key: "request.headers[]", values: [x]}'),
    `${W}.key: expected a key of the form request.headers[name], found "request.headers[]"`,
  ],
  [
    'headers with two brackets',
    when('{key: "request.headers[a][b]", values: [x]}'),
    `${W}.key: expected a key of the form request.headers[name], found "request.headers[a][b]"`,
  ],
  [
    'claims without brackets',
    when('{key: request.auth.claims.a, values: [x]}'),
    `${W}.key: expected a key of the form request.auth.claims[name], found "request.auth.claims.a"`,
  ],
  [
    'filter key without brackets',
    when('{key: experimental.envoy.filters.a, values: [x]}'),
    `${W}.key: expected a key of the form experimental.envoy.filters.name[key], found "experimental.envoy.filters.a"`,
  ],
  ['misspelt field', to('{notPath: [/x]}'), `${O}: unknown field "notPath"; did you mean "notPaths"?`],
  ['unknown field of the spec', '{rule: []}', 'spec: unknown field "rule"; did you mean "rules"?'],
  ['spec is no map', '[]', 'spec: expected a map, found an empty list'],
  [
    'too many rules',
    `{rules: [${Array(513).fill('{}').join(', ')}]}`,
    'spec.rules: expected at most 512 items, found 513',
  ],
]

for (const [row, spec, detail] of refusals) {
  test(`refused: ${row}`, () => assert.equal(reason(spec), `invalid policy name.ns: ${detail}`))
}

test('the dry-run annotation is a boolean of Go, on ALLOW and DENY only', () => {
  const dry = (text: string): string =>
    `{name: name, namespace: ns, annotations: {istio.io/dry-run: "${text}"}}`
  const at = 'invalid policy name.ns: metadata.annotations["istio.io/dry-run"]: '
  assert.equal(reason('{}', dry('yes')), `${at}expected a boolean, found "yes"`)
  assert.equal(
    reason('{action: AUDIT}', dry('true')),
    `${at}dry run is for the actions ALLOW and DENY, not AUDIT`,
  )
  assert.equal(
    reason('{action: CUSTOM, provider: {name: p}, rules: [{}]}', dry('false')),
    `${at}dry run is for the actions ALLOW and DENY, not CUSTOM`,
  )
  for (const action of ['ALLOW', 'DENY'])
    for (const yes of ['1', 't', 'T', 'true', 'TRUE', 'True']) {
      const text = policy(`{action: ${action}, rules: [{}]}`, dry(yes))
      assert.equal(accepted('AuthorizationPolicy', text).value.dryRun, true)
    }
  for (const no of ['0', 'f', 'F', 'false', 'FALSE', 'False']) {
    assert.equal(accepted('AuthorizationPolicy', policy('{}', dry(no))).value.dryRun, false)
  }
})

test('ALLOW and AUDIT may have no rules', () => {
  for (const spec of ['{}', '{rules: []}', '{action: AUDIT}', '{action: ALLOW, rules: null}'])
    assert.deepEqual(value(spec).rules, [], spec)
})

test('what is legal and probably not meant is a warning', () => {
  const warnings = (spec: string) => accepted('AuthorizationPolicy', policy(spec)).warnings
  assert.deepEqual(warnings('{selector: {}}'), [
    'spec.selector: selector has no labels: it selects every workload in scope',
  ])
  assert.equal(value('{selector: {matchLabels: {}}}').selector, null)
  const httpOnly = 'spec.rules[0]: only HTTP attributes: this DENY refuses all TCP traffic of what it selects'
  assert.deepEqual(warnings('{action: DENY, rules: [{to: [{operation: {methods: [GET]}}]}]}'), [httpOnly])
  assert.deepEqual(
    warnings('{action: DENY, rules: [{to: [{operation: {methods: [GET], ports: ["80"]}}]}]}'),
    [],
  )
  assert.deepEqual(
    warnings(
      '{action: DENY, rules: [{from: [{source: {namespaces: [a]}}], to: [{operation: {paths: [/x]}}]}]}',
    ),
    [],
  )
  assert.deepEqual(warnings('{action: DENY, rules: [{}]}'), [])
  assert.deepEqual(warnings('{rules: [{to: [{operation: {methods: [GET]}}]}]}'), [])
})

test('a principal written with its scheme never matches, and a warning says so', () => {
  const says = ['spec.rules[0]: principals are written without "spiffe://": with it they never match']
  const warnings = (inner: string) => accepted('AuthorizationPolicy', policy(rule(inner))).warnings
  assert.deepEqual(warnings('{from: [{source: {notPrincipals: ["spiffe://td/ns/a/sa/b"]}}]}'), says)
  assert.deepEqual(warnings('{when: [{key: source.principal, values: ["spiffe://td/ns/a/sa/b"]}]}'), says)
  assert.deepEqual(warnings('{from: [{source: {principals: ["td/ns/a/sa/b"]}}]}'), [])
})

test('the older API version and camelCase or snake_case names are read alike', () => {
  const text = policy('{rules: [{from: [{source: {ip_blocks: [1.2.3.4]}}]}]}').replace('/v1\n', '/v1beta1\n')
  const [first] = accepted('AuthorizationPolicy', text).value.rules
  assert.deepEqual(first?.from[0]?.ipBlocks, { values: ['1.2.3.4'], notValues: [] })
})

test('a policy that attaches by targetRefs is decoded and marked', () => {
  const text =
    '{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}], action: CUSTOM, provider: {name: p}, rules: [{}]}'
  assert.equal(value(text).targetsGateway, true)
})
