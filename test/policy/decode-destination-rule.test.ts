/** DestinationRule at the door (policy-semantics §8.4): what is obeyed, what is only named, what is refused. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { accepted, object, refused } from './sample.ts'

const rule = (spec: string): string => object('DestinationRule', spec)
const decoded = (spec: string) => accepted('DestinationRule', rule(spec))
const tls = (text: string): string => `{host: a.b, trafficPolicy: {tls: ${text}}}`

test('hosts are lower case and short ones belong to the own namespace', () => {
  const cases: [string, string][] = [
    ['Reviews', 'reviews.ns.svc.cluster.local'],
    ['a.b.svc.cluster.local', 'a.b.svc.cluster.local'],
    ['"*.Example.com"', '*.example.com'],
    ['"*"', '*'],
  ]
  for (const [host, expected] of cases) assert.equal(decoded(`{host: ${host}}`).value.host, expected)
})

test('settings are decoded; a port entry stands by itself', () => {
  const { value } = decoded(`{host: a.b, exportTo: ["."], trafficPolicy: {
    connectionPool: {tcp: {connectTimeout: 1.5s, maxConnections: 7}, http: {http1MaxPendingRequests: 3}},
    loadBalancer: {simple: LEAST_CONN}, tls: {mode: ISTIO_MUTUAL, sni: x, subjectAltNames: [spiffe://a/b]},
    portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]},
    subsets: [{name: v1, labels: {v: "1"}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}]}`)
  const { ports, tls: settings, ...rest } = value.trafficPolicy ?? assert.fail()
  assert.deepEqual(rest, {
    connectTimeoutMs: 1500,
    maxConnections: 7,
    maxPendingRequests: 3,
    loadBalancer: 'LEAST_REQUEST',
  })
  assert.deepEqual(settings?.subjectAltNames, ['spiffe://a/b'])
  assert.equal(ports['80']?.tls?.mode, 'DISABLE')
  assert.equal(ports['80']?.connectTimeoutMs, null)
  assert.equal(value.subsets[0]?.trafficPolicy?.loadBalancer, 'RANDOM')
  assert.deepEqual(value.exportTo, ['.'])
})

test('tuning without effect here is named, never dropped silently', () => {
  const { value, warnings } =
    decoded(`{host: a.b, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 1},
    retryBudget: {}, loadBalancer: {consistentHash: {useSourceIp: true}, localityLbSetting: {}},
    connectionPool: {tcp: {tcpKeepalive: {}}, http: {h2UpgradePolicy: UPGRADE, maxRetries: 1}}},
    subsets: [{name: v, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}}]}`)
  assert.deepEqual(value.notEvaluated, [
    'spec.trafficPolicy.outlierDetection',
    'spec.trafficPolicy.retryBudget',
    'spec.trafficPolicy.connectionPool.tcp.tcpKeepalive',
    'spec.trafficPolicy.connectionPool.http.maxRetries',
    'spec.trafficPolicy.connectionPool.http.h2UpgradePolicy',
    'spec.trafficPolicy.loadBalancer.consistentHash',
    'spec.trafficPolicy.loadBalancer.localityLbSetting',
    'spec.subsets[0].trafficPolicy.loadBalancer.simple: PASSTHROUGH',
  ])
  assert.equal(warnings[0], 'spec.trafficPolicy.outlierDetection: accepted without effect')
})

test('weak TLS is a warning', () => {
  const t = 'spec.trafficPolicy.tls'
  assert.deepEqual(decoded(tls('{sni: x}')).warnings, [
    `${t}: no mode is set, which means DISABLE: plaintext`,
  ])
  assert.deepEqual(decoded(tls('{mode: SIMPLE}')).warnings, [
    `${t}: no caCertificates: the server is verified against the system's roots`,
  ])
  assert.deepEqual(decoded(tls('{mode: SIMPLE, caCertificates: /ca, sni: x}')).warnings, [
    `${t}: sni without subjectAltNames: the server's name is not checked`,
  ])
  assert.deepEqual(decoded(tls('{mode: SIMPLE, insecureSkipVerify: true}')).warnings, [
    `${t}: insecureSkipVerify: the server is not verified`,
  ])
})

test('refusals of policy-semantics §8.4', () => {
  const t = 'spec.trafficPolicy.tls'
  const cases: [string, string][] = [
    ['{}', 'spec.host: must be set'],
    ['{host: "a_*"}', 'spec.host: expected a host name, "*" or "*." and a domain, found "a_*"'],
    ['{host: "a.*.b"}', 'spec.host: expected a host name, "*" or "*." and a domain, found "a.*.b"'],
    ['{host: a.b, trafficPolicy: {}}', 'spec.trafficPolicy: must have at least one field'],
    [
      '{host: a.b, trafficPolicy: {portLevelSettings: [{tls: {mode: DISABLE}}]}}',
      'spec.trafficPolicy.portLevelSettings[0].port: must be set',
    ],
    [
      '{host: a.b, trafficPolicy: {portLevelSettings: [{port: {}, tls: {mode: DISABLE}}]}}',
      'spec.trafficPolicy.portLevelSettings[0].port.number: must be set',
    ],
    [
      '{host: a.b, trafficPolicy: {portLevelSettings: [{port: {number: 80}}]}}',
      'spec.trafficPolicy.portLevelSettings[0]: must have at least one setting beside port',
    ],
    [
      '{host: a.b, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}, {port: {number: 80}, tls: {mode: SIMPLE}}]}}',
      'spec.trafficPolicy.portLevelSettings[1].port.number: port 80 is set twice',
    ],
    ['{host: a.b, subsets: [{name: v}, {name: v}]}', 'spec.subsets[1].name: the subset "v" is given twice'],
    ['{host: a.b, subsets: [null]}', 'spec.subsets[0]: expected a map, found null'],
    ['{host: a.b, subsets: [{}]}', 'spec.subsets[0].name: must be set'],
    [
      '{host: a.b, subsets: [{name: V_1}]}',
      'spec.subsets[0].name: expected a DNS label (a-z, 0-9 and "-", at most 63 characters, no "-" at the ends), found "V_1"',
    ],
    ['{host: a.b, exportTo: [".", ns]}', 'spec.exportTo[1]: the namespace "ns" is given twice'],
    ['{host: a.b, exportTo: [a, a]}', 'spec.exportTo[1]: the namespace "a" is given twice'],
    ['{host: a.b, exportTo: ["*", a]}', 'spec.exportTo: "*" cannot stand beside other namespaces'],
    [
      '{host: a.b, exportTo: [a], workloadSelector: {matchLabels: {a: b}}}',
      'spec.exportTo: a rule with a workloadSelector stays in its namespace, found "a"',
    ],
    ['{host: ""}', 'spec.host: expected a host name, "*" or "*." and a domain, found an empty string'],
    [
      '{host: a.b, subsets: [{name: v, trafficPolicy: {}}]}',
      'spec.subsets[0].trafficPolicy: must have at least one field',
    ],
    [
      '{host: a.b, subsets: [{name: ""}]}',
      'spec.subsets[0].name: expected a DNS label (a-z, 0-9 and "-", at most 63 characters, no "-" at the ends), found an empty string',
    ],
    [
      '{host: a.b, trafficPolicy: {portLevelSettings: [null]}}',
      'spec.trafficPolicy.portLevelSettings[0]: expected a map, found null',
    ],
    [
      '{host: a.b, exportTo: ["*"], workloadSelector: {matchLabels: {a: b}}}',
      'spec.exportTo: a rule with a workloadSelector stays in its namespace, found "*"',
    ],
    [tls('{mode: MUTUAL, clientCertificate: /c}'), `${t}: MUTUAL needs clientCertificate and privateKey`],
    [
      '{host: a.b, workloadSelector: {matchLabels: {a: b}}, trafficPolicy: {tls: {mode: SIMPLE, credentialName: c, insecureSkipVerify: true}}}',
      `${t}: insecureSkipVerify cannot be combined with credentialName`,
    ],
    [
      tls(
        '{mode: MUTUAL, clientCertificate: /c, privateKey: /k, insecureSkipVerify: true, subjectAltNames: [x]}',
      ),
      `${t}: insecureSkipVerify cannot be combined with subjectAltNames`,
    ],
    [tls('{mode: MUTUAL, privateKey: /k}'), `${t}: MUTUAL needs clientCertificate and privateKey`],
    [
      tls('{mode: SIMPLE, credentialName: c}'),
      `${t}: credentialName needs a workloadSelector: without one a sidecar would send plaintext`,
    ],
    ...['clientCertificate', 'privateKey', 'caCertificates', 'caCrl'].map((file): [string, string] => [
      tls(`{mode: MUTUAL, credentialName: c, ${file}: /f}`),
      `${t}: credentialName cannot be combined with ${file}`,
    ]),
    [
      tls('{mode: SIMPLE, insecureSkipVerify: true, caCertificates: /f}'),
      `${t}: insecureSkipVerify cannot be combined with caCertificates`,
    ],
    [
      tls('{mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [x]}'),
      `${t}: insecureSkipVerify cannot be combined with subjectAltNames`,
    ],
    [
      tls(
        '{mode: MUTUAL, clientCertificate: /c, privateKey: /k, insecureSkipVerify: true, caCertificates: /f}',
      ),
      `${t}: insecureSkipVerify cannot be combined with caCertificates`,
    ],
    [
      tls('{mode: ISTIO_MUTUAL, caCertificates: /f}'),
      `${t}: caCertificates cannot be combined with ISTIO_MUTUAL, which uses the mesh certificate`,
    ],
    [
      tls('{mode: mutual}'),
      `${t}.mode: expected one of DISABLE, SIMPLE, MUTUAL, ISTIO_MUTUAL, found "mutual"`,
    ],
    [
      tls('{mode: SIMPLE, verify: false}'),
      `${t}: unknown field "verify"; expected one of mode, clientCertificate, privateKey, caCertificates, caCrl, credentialName, subjectAltNames, sni, insecureSkipVerify`,
    ],
    [
      '{host: a.b, trafficPolicy: {tunnel: {}, proxyProtocol: {}}}',
      'spec.trafficPolicy: tunnel cannot be combined with proxyProtocol',
    ],
    [
      '{host: a.b, trafficPolicy: {tunnel: {targetHost: x}}}',
      'spec.trafficPolicy.tunnel: is not evaluated yet: the server would not get what it expects',
    ],
    [
      '{host: a.b, trafficPolicy: {proxyProtocol: {version: V2}}}',
      'spec.trafficPolicy.proxyProtocol: is not evaluated yet: the server would not get what it expects',
    ],
    [
      '{host: a.b, trafficPolicy: {connectionPool: {tcp: {connectTimeout: 5}}}}',
      'spec.trafficPolicy.connectionPool.tcp.connectTimeout: expected a duration such as "5s", "1h30m" or "100ms", found 5',
    ],
  ]
  for (const [spec, reason] of cases) assert.equal(refused(rule(spec)).quarantined.reason, reason, spec)
})

test('the stub of a refused rule refuses to dial its host, or names none', () => {
  const { stub } = refused(rule('{host: reviews, exportTo: ["."], trafficPolicy: {}}'))
  assert.ok(stub?.kind === 'DestinationRule')
  assert.equal(stub.value.host, 'reviews.ns.svc.cluster.local')
  assert.equal(stub.value.quarantined, 'spec.trafficPolicy: must have at least one field')
  assert.deepEqual(stub.value.exportTo, [])
  const nameless = refused(rule('{trafficPolicy: {tls: {mode: SIMPLE}}}')).stub
  assert.equal(nameless?.kind === 'DestinationRule' && nameless.value.host, '')
})
