/** From Kubernetes objects and ServiceEntries to services: names, ports, endpoints and their identities. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { assembleServices } from '../../src/policy/assemble-services.ts'
import type { ServiceSources } from '../../src/policy/assemble-services.ts'
import { decodeResource } from '../../src/policy/decode-resource.ts'
import { defaultMeshConfig } from '../../src/policy/decode-mesh-config.ts'
import { readDocuments } from '../../src/policy/read-documents.ts'
import type { Service } from '../../src/policy/service.ts'
import { seeded } from './sample.ts'

function sources(text: string): { [K in keyof ServiceSources]: ServiceSources[K][number][] } {
  const { resources, problems } = readDocuments(text, 'f')
  assert.deepEqual(problems, [])
  const all: ReturnType<typeof sources> = {
    services: [],
    endpoints: [],
    pods: [],
    serviceEntries: [],
    workloadEntries: [],
  }
  for (const raw of resources) {
    const decoded = decodeResource(raw, defaultMeshConfig)
    if (decoded.kind === 'Service') all.services.push(decoded.value)
    else if (decoded.kind === 'Endpoints' || decoded.kind === 'EndpointSlice')
      all.endpoints.push(decoded.value)
    else if (decoded.kind === 'Pod') all.pods.push(decoded.value)
    else if (decoded.kind === 'ServiceEntry') all.serviceEntries.push(decoded.value)
    else if (decoded.kind === 'WorkloadEntry') all.workloadEntries.push(decoded.value)
    else assert.fail(JSON.stringify(decoded))
  }
  return all
}

const assemble = (text: string): Service[] => assembleServices(sources(text), 'cluster.local')
const only = (text: string): Service => {
  const [service, ...others] = assemble(text)
  assert.deepEqual(others, [])
  return service ?? assert.fail('no service')
}

const service = (spec: string, metadata = '{name: web, namespace: shop}'): string =>
  `---\napiVersion: v1\nkind: Service\nmetadata: ${metadata}\nspec: ${spec}\n`
const pod = (
  name: string,
  ip: string,
  rest = 'containers: [{ports: [{name: main, containerPort: 8080}]}]',
  ns = 'shop',
): string =>
  `---\napiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: ${ns}, labels: {app: web, security.istio.io/tlsMode: istio}}\nspec: {serviceAccountName: sa-${name}, ${rest}}\nstatus: {podIP: "${ip}"}\n`
const entry = (name: string, spec: string, ns = 'shop'): string =>
  `---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: ${name}, namespace: ${ns}}\nspec: ${spec}\n`
const serviceEntry = (spec: string, metadata = '{name: ext, namespace: shop}'): string =>
  `---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: ${metadata}\nspec: ${spec}\n`
const slice = (name: string, endpoints: string, ports: string): string =>
  `---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: ${name}, namespace: shop, labels: {kubernetes.io/service-name: web}}\naddressType: IPv4\nendpoints: ${endpoints}\nports: ${ports}\n`

const ports =
  '[{name: http, port: 80, targetPort: main}, {name: tcp-db, port: 5432}, {name: dns, port: 53, protocol: UDP}]'

test('a service has its FQDN, its VIPs and its TCP ports', () => {
  const found = only(service(`{clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, "FD00::1"], ports: ${ports}}`))
  assert.equal(found.hostname, 'web.shop.svc.cluster.local')
  assert.deepEqual(found.addresses, ['10.0.0.1', 'fd00::1'])
  assert.deepEqual(found.ports, [
    { number: 80, name: 'http', protocol: 'http' },
    { number: 5432, name: 'tcp-db', protocol: 'tcp' },
  ])
  assert.deepEqual([found.headless, found.resolution, found.location], [false, 'STATIC', 'MESH_INTERNAL'])
})

test('ClusterIP None is headless', () => {
  const found = only(service(`{clusterIP: None, ports: ${ports}}`))
  assert.deepEqual([found.headless, found.addresses], [true, []])
})

test('slices give target ports by name and identity by pod', () => {
  const found = only(
    service(`{clusterIP: 10.0.0.1, ports: ${ports}, selector: {app: web}}`) +
      pod('a', '10.1.0.1') +
      pod('b', '10.1.0.2') +
      pod('unlisted', '10.1.0.3') +
      slice(
        's1',
        '[{addresses: [10.1.0.1], targetRef: {kind: Pod, name: a}}, {addresses: [10.1.0.2], conditions: {ready: false}}]',
        '[{name: http, port: 8081}]',
      ) +
      slice(
        's2',
        '[{addresses: [10.1.0.1]}]',
        '[{name: tcp-db, port: 5433}, {name: dns, port: 53, protocol: UDP}]',
      ),
  )
  assert.deepEqual(
    found.endpoints.map(({ address, ports: targets, serviceAccount, namespace, ready }) => [
      address,
      targets,
      serviceAccount,
      namespace,
      ready,
    ]),
    [
      ['10.1.0.1', { 80: 8081, 5432: 5433 }, 'sa-a', 'shop', true],
      ['10.1.0.2', { 80: 8081 }, 'sa-b', 'shop', false],
    ],
  )
  assert.equal(found.endpoints[0]?.labels['security.istio.io/tlsMode'], 'istio')
})

test('Endpoints are read where there are no slices, and left out where there are', () => {
  const endpoints = `---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: web, namespace: shop}\nsubsets:\n- addresses: [{ip: 10.1.0.1}]\n  notReadyAddresses: [{ip: 10.1.0.9}]\n  ports: [{name: http, port: 8080}]\n`
  const base = service(`{ports: ${ports}}`) + pod('a', '10.1.0.1') + endpoints
  assert.deepEqual(
    only(base).endpoints.map(({ address, serviceAccount, ready }) => [address, serviceAccount, ready]),
    [
      ['10.1.0.1', 'sa-a', true],
      ['10.1.0.9', null, false],
    ],
  )
  const both = only(base + slice('s', '[{addresses: [10.1.0.7]}]', '[{name: http, port: 1}]'))
  assert.deepEqual(
    both.endpoints.map(({ address }) => address),
    ['10.1.0.7'],
  )
})

test('an address shared by several pods has no identity unless the endpoint names its pod', () => {
  const base = service(`{ports: ${ports}}`) + pod('a', '10.1.0.1') + pod('b', '10.1.0.1')
  const named = only(
    base +
      slice('s', '[{addresses: [10.1.0.1], targetRef: {kind: Pod, name: b}}]', '[{name: http, port: 1}]'),
  )
  assert.equal(named.endpoints[0]?.serviceAccount, 'sa-b')
  const nameless = only(base + slice('s', '[{addresses: [10.1.0.1]}]', '[{name: http, port: 1}]'))
  assert.equal(nameless.endpoints[0]?.serviceAccount, null)
  const lying = only(
    service(`{ports: ${ports}}`) +
      pod('a', '10.1.0.1') +
      slice('s', '[{addresses: [10.9.9.9], targetRef: {kind: Pod, name: a}}]', '[{name: http, port: 1}]'),
  )
  assert.equal(lying.endpoints[0]?.serviceAccount, null)
})

test('without Endpoints a selector finds pods of its namespace itself', () => {
  const found = only(
    service(`{ports: ${ports}, selector: {app: web}}`) +
      pod('a', '10.1.0.1') +
      pod('unready', '10.1.0.2').replace(
        'status: {',
        'status: {conditions: [{type: Ready, status: "False"}], ',
      ) +
      pod('gone', '10.1.0.3').replace('status: {', 'status: {phase: Succeeded, ') +
      pod('far', '10.1.0.4', 'containers: []', 'other'),
  )
  assert.deepEqual(
    found.endpoints.map(({ address, ports: targets, ready }) => [address, targets, ready]),
    [
      ['10.1.0.1', { 80: 8080, 5432: 5432 }, true],
      ['10.1.0.2', { 80: 8080, 5432: 5432 }, false],
    ],
  )
})

test('a selector finds WorkloadEntries beside listed endpoints, with their own ports', () => {
  const found = only(
    service(`{ports: ${ports}, selector: {app: web}}`) +
      slice('s', '[{addresses: [10.1.0.1]}]', '[{name: http, port: 1}]') +
      entry(
        'vm',
        '{address: 10.2.0.1, labels: {app: web}, ports: {http: 9090}, serviceAccount: vm, weight: 5}',
      ) +
      entry('vm2', '{address: 10.2.0.2, labels: {app: other}}') +
      entry('vm3', '{address: 10.2.0.3, labels: {app: web}}', 'other'),
  )
  const vm = found.endpoints.find(({ address }) => address === '10.2.0.1')
  assert.equal(found.endpoints.length, 2)
  assert.deepEqual(vm, {
    address: '10.2.0.1',
    ports: { 80: 9090, 5432: 5432 },
    labels: { app: 'web' },
    namespace: 'shop',
    serviceAccount: 'vm',
    weight: 5,
    ready: true,
  })
})

test('a listed address without pod takes the identity of the WorkloadEntry of its own namespace', () => {
  const base =
    service(`{ports: ${ports}}`) + slice('s', '[{addresses: [10.2.0.1]}]', '[{name: http, port: 1}]')
  assert.equal(
    only(base + entry('vm', '{address: 10.2.0.1, serviceAccount: vm}')).endpoints[0]?.serviceAccount,
    'vm',
  )
  const foreign = only(base + entry('vm', '{address: 10.2.0.1, serviceAccount: vm}', 'other'))
  assert.equal(foreign.endpoints[0]?.serviceAccount, null)
  const pods = only(base + pod('a', '10.2.0.1') + entry('vm', '{address: 10.2.0.1, serviceAccount: vm}'))
  assert.equal(pods.endpoints[0]?.serviceAccount, 'sa-a')
})

test('an ExternalName is a name outside the mesh', () => {
  const found = only(
    service('{type: ExternalName, externalName: API.example.com, ports: [{port: 443, name: https}]}'),
  )
  assert.deepEqual(
    [found.resolution, found.location, found.endpoints[0]?.address],
    ['DNS', 'MESH_EXTERNAL', 'api.example.com'],
  )
})

test('a ServiceEntry is one service a host', () => {
  const text = serviceEntry(
    '{hosts: [a.example.com, B.example.com], addresses: [10.9.0.0/16], ports: [{number: 443, name: tls, protocol: HTTPS, targetPort: 8443}], resolution: STATIC, location: MESH_INTERNAL, exportTo: ["."], subjectAltNames: [spiffe://td/x], endpoints: [{address: 10.3.0.1, serviceAccount: sa}, {address: 10.3.0.2, ports: {tls: 9443}}]}',
  )
  const [a, b] = assemble(text)
  assert.deepEqual([a?.hostname, b?.hostname], ['a.example.com', 'b.example.com'])
  assert.deepEqual(a?.ports, [{ number: 443, name: 'tls', protocol: 'tls' }])
  assert.deepEqual(
    a?.endpoints.map(({ address, ports: targets, serviceAccount }) => [address, targets, serviceAccount]),
    [
      ['10.3.0.1', { 443: 8443 }, 'sa'],
      ['10.3.0.2', { 443: 9443 }, null],
    ],
  )
  assert.deepEqual(
    [a?.location, a?.exportTo, a?.subjectAltNames, a?.addresses],
    ['MESH_INTERNAL', ['.'], ['spiffe://td/x'], ['10.9.0.0/16']],
  )
})

test('a ServiceEntry selects pods and WorkloadEntries of its namespace', () => {
  const found = only(
    serviceEntry(
      '{hosts: [a.example.com], ports: [{number: 80, name: http, targetPort: 8000}], resolution: STATIC, workloadSelector: {labels: {app: web}}}',
    ) +
      pod('a', '10.1.0.1') +
      entry('vm', '{address: 10.2.0.1, labels: {app: web}, ports: {http: 9000}, serviceAccount: vm}') +
      pod('far', '10.1.0.9', 'containers: []', 'other'),
  )
  assert.deepEqual(
    found.endpoints.map(({ address, ports: targets, serviceAccount }) => [address, targets, serviceAccount]),
    [
      ['10.1.0.1', { 80: 8000 }, 'sa-a'],
      ['10.2.0.1', { 80: 9000 }, 'vm'],
    ],
  )
})

test('resolution DNS without endpoints dials the host itself, NONE lists none', () => {
  const of = (resolution: string) =>
    only(
      serviceEntry(`{hosts: [a.example.com], ports: [{number: 80, name: http}], resolution: ${resolution}}`),
    )
  assert.deepEqual(
    of('DNS').endpoints.map(({ address, ports: targets }) => [address, targets]),
    [['a.example.com', { 80: 80 }]],
  )
  assert.equal(of('DNS_ROUND_ROBIN').resolution, 'DNS')
  assert.deepEqual(of('NONE').endpoints, [])
})

test('servers on one address and different ports stay apart', () => {
  const found = only(
    serviceEntry(
      '{hosts: [a.b], ports: [{number: 80, name: http}], resolution: STATIC, endpoints: [{address: 127.0.0.1, ports: {http: 8001}, serviceAccount: x}, {address: 127.0.0.1, ports: {http: 8002}, serviceAccount: y}, {address: 127.0.0.1, ports: {http: 8002}, serviceAccount: z}]}',
    ),
  )
  assert.deepEqual(
    found.endpoints.map(({ ports: targets, serviceAccount }) => [targets[80], serviceAccount]),
    [
      [8001, 'x'],
      [8002, null],
    ],
  )
})

test('of two services with one hostname in one namespace the older is kept', () => {
  const dated = (name: string, day: string, address: string, ns = 'shop'): string =>
    serviceEntry(
      `{hosts: [a.example.com], addresses: [${address}], ports: [{number: 80, name: http}]}`,
      `{name: ${name}, namespace: ${ns}, creationTimestamp: "2024-01-${day}T00:00:00Z"}`,
    )
  const found = assemble(
    dated('x', '02', '10.0.0.2') + dated('y', '01', '10.0.0.1') + dated('z', '03', '10.0.0.3', 'other'),
  )
  assert.deepEqual(
    found.map(({ addresses, meta }) => [addresses[0], meta.namespace]),
    [
      ['10.0.0.3', 'other'],
      ['10.0.0.1', 'shop'],
    ],
  )
})

test('the order of the input does not show in the output', () => {
  const all = sources(
    service(`{ports: ${ports}, selector: {app: web}}`) +
      service(`{ports: ${ports}}`, '{name: web2, namespace: shop}') +
      pod('a', '10.1.0.1') +
      pod('b', '10.1.0.2') +
      pod('c', '10.1.0.2') +
      entry('vm', '{address: 10.1.0.1, labels: {app: web}, serviceAccount: z}') +
      serviceEntry(
        '{hosts: [a.b, web.shop.svc.cluster.local], ports: [{number: 80, name: http}], resolution: STATIC, workloadSelector: {labels: {app: web}}}',
      ) +
      slice('s1', '[{addresses: [10.1.0.1]}]', '[{name: http, port: 1}]') +
      slice('s2', '[{addresses: [10.1.0.1, 10.1.0.2]}]', '[{name: http, port: 1}, {name: tcp-db, port: 2}]'),
  )
  const wanted = assembleServices(all, 'cluster.local')
  const random = seeded(3)
  const shuffled = <T>(list: readonly T[]): T[] =>
    list
      .map((item) => ({ item, key: random() }))
      .toSorted((x, y) => x.key - y.key)
      .map(({ item }) => item)
  for (let run = 0; run < 50; run += 1) {
    const { services, endpoints, pods, serviceEntries, workloadEntries } = all
    const again = {
      services: shuffled(services),
      endpoints: shuffled(endpoints),
      pods: shuffled(pods),
      serviceEntries: shuffled(serviceEntries),
      workloadEntries: shuffled(workloadEntries),
    }
    assert.deepEqual(assembleServices(again, 'cluster.local'), wanted)
  }
})
