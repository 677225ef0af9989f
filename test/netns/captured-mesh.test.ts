/**
 * The whole path with nothing faked: application → captured outbound → mutual TLS over a wire that is listened to → captured
 * inbound → application. Two pods and a router that runs the control plane, each a network namespace.
 */
import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { join } from 'node:path'
import { asApplication, asProxy, link, Namespace } from './namespace.ts'
import type { RunAs, Running } from './namespace.ts'

const node = process.execPath
const clientIp = '10.77.1.2'
const serverIp = '10.77.2.2'
const serviceIp = '10.96.0.10'
const host = 'backend.shop.svc.cluster.local'
/** What must not be read on the wire. */
const marker = 'the-marker-in-the-clear'

const configuration = {
  'mesh.yaml': 'trustDomain: cluster.local\nrootNamespace: istio-system\n',
  'service.yaml': `apiVersion: v1
kind: Service
metadata: { name: backend, namespace: shop }
spec:
  clusterIP: ${serviceIp}
  selector: { app: backend }
  ports:
    - { name: http, port: 80, targetPort: 8080 }
    - { name: tcp, port: 9000, targetPort: 9000 }
`,
  'strict.yaml': `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
`,
  'policy.yaml': `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: backend, namespace: shop }
spec:
  selector: { matchLabels: { app: backend } }
  action: ALLOW
  rules:
    - from: [{ source: { principals: ["cluster.local/ns/shop/sa/client"] } }]
      to: [{ operation: { methods: ["GET"] } }]
    - from: [{ source: { principals: ["cluster.local/ns/shop/sa/client"] } }]
      to: [{ operation: { ports: ["9000"] } }]
`,
}

function workloadEntry(name: string, address: string): string {
  return `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name}, namespace: shop }
spec:
  address: ${address}
  serviceAccount: ${name}
  labels: { app: ${name}, security.istio.io/tlsMode: istio }
`
}

interface Call {
  readonly status?: number
  readonly body?: string
  readonly error?: string
}

describe('two pods and a wire between them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sally-netns-'))
  const made: Namespace[] = []
  const namespace = (): Namespace => {
    const one = new Namespace()
    made.push(one)
    return one
  }
  let client: Namespace
  let server: Namespace
  let serverSidecar: Running
  let clientSidecar: Running

  before(async () => {
    const router = namespace()
    client = namespace()
    server = namespace()
    link(client, clientIp, router, '10.77.1.1', 'toclient')
    link(server, serverIp, router, '10.77.2.1', 'toserver')
    assert.equal(router.run('/bin/sh', ['-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']).code, 0)
    chmodSync(folder, 0o755)
    const config = join(folder, 'config')
    mkdirSync(config)
    const files = {
      ...configuration,
      'client.yaml': workloadEntry('client', clientIp),
      'backend.yaml': workloadEntry('backend', serverIp),
    }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(config, name), text)

    const sallyport = ['--no-warnings', 'src/main.ts']
    const state = join(folder, 'mesh')
    await router.start(
      node,
      [...sallyport, 'mesh', '--config', config, '--state', state, '--listen', '0.0.0.0:15012'],
      'mesh is up',
    )
    await router.start(node, ['--no-warnings', 'test/netns/sniffing.ts', join(folder, 'wire')], 'listening\n')
    for (const pod of [client, server]) {
      const applied = pod.sallyport('iptables', 'apply', '-b', '*', '-d', '15090,15021,15020', '-i', '*')
      assert.equal(applied.code, 0, applied.stderr)
    }
    const sidecar = async (pod: Namespace, name: string, gateway: string): Promise<Running> => {
      const own = join(folder, name)
      mkdirSync(own)
      const token = router.sallyport(
        'mesh',
        'token',
        '--state',
        state,
        '--namespace',
        'shop',
        '--service-account',
        name,
      )
      assert.equal(token.code, 0, token.stderr)
      writeFileSync(join(own, 'token'), token.stdout)
      writeFileSync(join(own, 'root.pem'), readFileSync(join(state, 'root-cert.pem')))
      for (const path of [own, ...readdirSync(own).map((file) => join(own, file))])
        chownSync(path, asProxy.user, asProxy.group)
      const running = await pod.start(
        node,
        [
          ...[
            ...sallyport,
            'sidecar',
            '--capture',
            '--workload',
            join(config, `${name}.yaml`),
            '--mesh',
            `${gateway}:15012`,
          ],
          ...[
            '--ca-name',
            'istiod.istio-system.svc',
            '--ca-root',
            join(own, 'root.pem'),
            '--token',
            join(own, 'token'),
          ],
          ...['--sds', join(own, 'sds', 'socket'), '--state', join(own, 'state'), '--drain', '1s'],
        ],
        'sidecar is up',
        asProxy,
      )
      await ready(pod)
      return running
    }
    ;[clientSidecar, serverSidecar] = await Promise.all([
      sidecar(client, 'client', '10.77.1.1'),
      sidecar(server, 'backend', '10.77.2.1'),
    ])
    const application = ['--no-warnings', 'test/netns/application.ts']
    await server.start(node, application, 'listening\n', asApplication)
    await router.start(node, application, 'listening\n', asApplication)
  })
  after(async () => {
    for (const one of made.toReversed()) await one.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  // Readiness is asked on an excluded port; the answer itself is what is waited for, not a time.
  async function ready(pod: Namespace): Promise<void> {
    const deadline = performance.now() + 20_000
    let last: Call = {}
    while (performance.now() < deadline) {
      last = call(pod, asProxy, 'http', 'http://127.0.0.1:15021/healthz/ready', 'pod')
      if (last.status === 200) return
    }
    throw new Error(`the sidecar is not ready: ${JSON.stringify(last)}`)
  }

  function call(from: Namespace, as: RunAs, ...args: string[]): Call {
    const { stdout, stderr } = from.run(node, ['--no-warnings', 'test/netns/calling.ts', ...args], { as })
    return stdout === '' ? { error: `nothing printed: ${stderr}` } : (JSON.parse(stdout) as Call)
  }

  const wire = (): Buffer => readFileSync(join(folder, 'wire'))

  /** Packets are written in the order they passed: once `text` is there, all before it is too. */
  async function onWire(text: string): Promise<void> {
    const deadline = performance.now() + 10_000
    while (!wire().includes(text)) {
      if (performance.now() > deadline) assert.fail(`${text} never passed the wire`)
      await setImmediate()
    }
  }
  const records = (running: Running): Record<string, unknown>[] =>
    running.output
      .split('\n')
      .filter((line) => line.startsWith('{"start_time"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)

  test('a plain HTTP call reaches the application from the inbound address, and its wire is encrypted', async () => {
    const {
      status,
      body = '',
      error,
    } = call(client, asApplication, 'http', `http://${serviceIp}/${marker}?${marker}`, host)
    assert.equal(error, undefined)
    assert.equal(status, 200, body)
    const seen = JSON.parse(body) as { source: string; url: string; headers: Record<string, string> }
    assert.equal(seen.source, '127.0.0.6')
    assert.equal(seen.url, `/${marker}?${marker}`)
    assert.match(
      seen.headers['x-forwarded-client-cert'] ?? '',
      /URI=spiffe:\/\/cluster\.local\/ns\/shop\/sa\/client/,
    )
    assert.equal(wire().includes(marker), false, 'nothing of the request is read on the wire')
  })

  test('the records of both sides name the peer, by certificate and by the address it really has', async () => {
    await serverSidecar.printed(`"path":"/${marker}`)
    await clientSidecar.printed(`"path":"/${marker}`)
    const inbound = records(serverSidecar).find(({ direction }) => direction === 'inbound')
    assert.equal(inbound?.['peer_principal'], 'spiffe://cluster.local/ns/shop/sa/client')
    assert.match(String(inbound?.['downstream_remote_address']), new RegExp(`^${clientIp}:`))
    assert.equal(inbound?.['downstream_local_address'], `${serverIp}:8080`)
    assert.match(String(inbound?.['upstream_local_address']), /^127\.0\.0\.6:/)
    const outbound = records(clientSidecar).find(({ direction }) => direction === 'outbound')
    assert.equal(outbound?.['peer_principal'], 'spiffe://cluster.local/ns/shop/sa/backend')
    assert.match(String(outbound?.['upstream_host']), new RegExp(`^${serverIp}:8080`))
  })

  test('what the policy does not allow is refused before the application sees it', () => {
    const { status, body = '' } = call(
      client,
      asApplication,
      'http',
      `http://${serviceIp}/`,
      host,
      'POST',
      marker,
    )
    assert.equal(status, 403, body)
    assert.match(body, /RBAC: access denied/)
    assert.equal(wire().includes(marker), false)
  })

  test('a TCP conversation is captured, encrypted and delivered the same way', () => {
    assert.deepEqual(call(client, asApplication, 'tcp', serviceIp, '9000', marker), {
      body: `127.0.0.6 ${marker}`,
    })
    assert.equal(wire().includes(marker), false)
  })

  test("the application's call to its own service is guarded like anybody's", () => {
    // From the backend's own pod: out by the service address, in again by rule 1, and refused, for the policy allows only the client.
    const { status } = call(server, asApplication, 'http', `http://${serviceIp}/`, host)
    assert.equal(status, 403)
  })

  test('plaintext that goes round the sidecar of the caller is refused by that of the called', async () => {
    assert.equal(wire().includes('round-the-sidecar'), false)
    const { status, error = '' } = call(
      client,
      asProxy,
      'http',
      `http://${serverIp}:8080/round-the-sidecar`,
      host,
    )
    assert.equal(status, undefined)
    assert.ok(['ECONNRESET', 'EPIPE'].includes(error), error)
    // Not having read the marker until now means something only because this is read.
    await onWire('round-the-sidecar')
    assert.equal(wire().includes(marker), false)
  })

  test('whoever dials a capture port itself is cut off', () => {
    const cut = ['ECONNRESET', 'EPIPE', 'CLOSED']
    for (const port of ['15001', '15006']) {
      const far = call(client, asProxy, 'tcp', serverIp, port, 'hello')
      assert.ok(cut.includes(far.error ?? ''), `peer to ${port}: ${JSON.stringify(far)}`)
      const near = call(client, asApplication, 'tcp', '127.0.0.1', port, 'hello')
      assert.ok(cut.includes(near.error ?? ''), `own application to ${port}: ${JSON.stringify(near)}`)
    }
  })

  test('a destination outside the mesh is passed through with its address unchanged', () => {
    const { status, body = '' } = call(
      client,
      asApplication,
      'http',
      'http://10.77.1.1:8080/outside',
      'outside.example',
    )
    assert.equal(status, 200, body)
    const seen = JSON.parse(body) as { source: string; url: string; headers: Record<string, string> }
    assert.deepEqual([seen.source, seen.url, seen.headers['host']], [clientIp, '/outside', 'outside.example'])
  })

  test('without its sidecar nothing leaves a pod and nothing enters it', async () => {
    await serverSidecar.stop()
    assert.deepEqual(call(client, asProxy, 'http', `http://${serverIp}:8080/`, host), {
      error: 'ECONNREFUSED',
    })
    await clientSidecar.stop()
    assert.deepEqual(call(client, asApplication, 'http', `http://${serviceIp}/`, host), {
      error: 'ECONNREFUSED',
    })
    assert.deepEqual(call(client, asApplication, 'http', 'http://10.77.1.1:8080/', host), {
      error: 'ECONNREFUSED',
    })
  })

  test('after clean nothing of it is left, and traffic goes straight', () => {
    for (const pod of [client, server]) {
      assert.equal(pod.sallyport('iptables', 'clean').code, 0)
      assert.doesNotMatch(pod.iptablesSave(), /ISTIO|REDIRECT/)
    }
    const { body } = call(client, asApplication, 'http', `http://${serverIp}:8080/`, host)
    assert.equal((JSON.parse(body ?? '{}') as { source?: string }).source, clientIp)
  })
})
