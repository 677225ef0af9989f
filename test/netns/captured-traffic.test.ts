/** Whose connections arrive where once redirection is in place, and what the kernel then says of them (dataplane §2.1). */
import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { asApplication, asProxy, link, Namespace } from './namespace.ts'
import type { RunAs } from './namespace.ts'
import type { Answer } from './answering.ts'

const podIp = '10.77.0.2'
const peerIp = '10.77.0.1'
const node = process.execPath

function ask(from: Namespace, as: RunAs, host: string, port: number, source?: string): Partial<Answer> {
  const args = [
    '--no-warnings',
    'test/netns/asking.ts',
    host,
    String(port),
    ...(source === undefined ? [] : [source]),
  ]
  const { stdout, stderr } = from.run(node, args, { as })
  return stdout === '' ? { by: `nothing ${stderr}` } : (JSON.parse(stdout) as Answer)
}

function answering(...args: string[]): [string, string[], string] {
  return [node, ['--no-warnings', 'test/netns/answering.ts', ...args], 'listening\n']
}

describe('with redirection in place', () => {
  let pod: Namespace
  let peer: Namespace

  before(async () => {
    pod = new Namespace()
    peer = new Namespace()
    link(pod, podIp, peer, peerIp)
    // A service address: routed to the peer, owned by nobody.
    const applied = pod.sallyport(
      'iptables',
      'apply',
      '-b',
      '*',
      '-d',
      '15021',
      '-i',
      '*',
      '-o',
      '7000',
      '-x',
      '10.77.0.64/26',
    )
    assert.equal(applied.code, 0, applied.stderr)
    peer.ip('addr add 10.77.0.65/24 dev eth0')
    await Promise.all([
      pod.start(...answering('proxy', '0.0.0.0:15001', '0.0.0.0:15006'), asProxy),
      pod.start(...answering('app', '0.0.0.0:8080', '0.0.0.0:15021', '0.0.0.0:15008'), asApplication),
      peer.start(...answering('peer', '0.0.0.0:7000', '0.0.0.0:8000'), asApplication),
    ])
  })
  after(async () => {
    await pod.remove()
    await peer.remove()
  })

  test('a peer dialling the application reaches the inbound listener, with destination and source as they were', () => {
    const answer = ask(peer, asApplication, podIp, 8080)
    assert.deepEqual(answer, {
      by: 'proxy:15006',
      original: `${podIp}:8080`,
      local: `${podIp}:15006`,
      source: peerIp,
    })
  })

  test('a peer dialling a port nobody listens on reaches the inbound listener too', () => {
    const { by, original } = ask(peer, asApplication, podIp, 9)
    assert.deepEqual({ by, original }, { by: 'proxy:15006', original: `${podIp}:9` })
  })

  test('excluded inbound ports and the tunnel port reach the application', () => {
    assert.equal(ask(peer, asApplication, podIp, 15021).by, 'app:15021')
    assert.equal(ask(peer, asApplication, podIp, 15008).by, 'app:15008')
  })

  test('the application dialling anywhere reaches the outbound listener, with the destination as it was', () => {
    for (const destination of [`${peerIp}:8000`, '10.96.0.10:80', '203.0.113.7:443']) {
      const [host = '', port] = destination.split(':')
      const { by, original, local, source } = ask(pod, asApplication, host, Number(port))
      assert.deepEqual(
        { by, original, local },
        { by: 'proxy:15001', original: destination, local: '127.0.0.1:15001' },
      )
      assert.equal(source, podIp)
    }
  })

  test('root is an application like any other', () => {
    assert.equal(ask(pod, { user: 0, group: 0 }, peerIp, 8000).by, 'proxy:15001')
  })

  test("the proxy's own connections leave untouched, by user and by group", () => {
    for (const as of [asProxy, { user: 1337, group: 0 }, { user: 0, group: 1337 }]) {
      const { by, source } = ask(pod, as, peerIp, 8000)
      assert.deepEqual({ by, source }, { by: 'peer:8000', source: podIp })
    }
  })

  test('excluded outbound ports and networks are dialled directly', () => {
    assert.equal(ask(pod, asApplication, peerIp, 7000).by, 'peer:7000')
    assert.equal(ask(pod, asApplication, '10.77.0.65', 8000).by, 'peer:8000')
  })

  test('the application reaches itself over loopback and over the address of the pod without the proxy', () => {
    assert.equal(ask(pod, asApplication, '127.0.0.1', 8080).by, 'app:8080')
    assert.equal(ask(pod, asApplication, podIp, 8080).by, 'app:8080')
  })

  test("from the inbound side's address the proxy reaches the application, not itself", () => {
    const { by, source } = ask(pod, asProxy, podIp, 8080, '127.0.0.6')
    assert.deepEqual({ by, source }, { by: 'app:8080', source: '127.0.0.6' })
  })

  test('the proxy dialling the address of its own pod comes back in, so that a service of ours is guarded from us', () => {
    const { by, original, source } = ask(pod, asProxy, podIp, 8080)
    assert.deepEqual(
      { by, original, source },
      { by: 'proxy:15006', original: `${podIp}:8080`, source: podIp },
    )
    assert.equal(ask(pod, asProxy, '127.0.0.1', 8080).by, 'app:8080')
  })

  test('a peer dialling the capture ports is seen to have dialled them', () => {
    for (const port of [15001, 15006]) {
      const { by, original } = ask(peer, asApplication, podIp, port)
      assert.deepEqual({ by, original }, { by: 'proxy:15006', original: `${podIp}:${port}` })
    }
  })

  test('the application dialling a capture port on loopback was not redirected: the answer is the port itself or none', () => {
    for (const port of [15001, 15006]) {
      const { by, original } = ask(pod, asApplication, '127.0.0.1', port)
      assert.equal(by, `proxy:${port}`)
      assert.ok(original === null || original === `127.0.0.1:${port}`, String(original))
    }
  })

  test('after clean everything goes straight again', () => {
    const cleaned = pod.sallyport('iptables', 'clean')
    assert.equal(cleaned.code, 0, cleaned.stderr)
    assert.equal(ask(peer, asApplication, podIp, 8080).by, 'app:8080')
    assert.equal(ask(pod, asApplication, peerIp, 8000).by, 'peer:8000')
    assert.doesNotMatch(pod.iptablesSave(), /ISTIO|REDIRECT/)
  })
})

test('a dual-stack listener is told the IPv4 destination of an IPv4 connection', async () => {
  const pod = new Namespace()
  const peer = new Namespace()
  try {
    link(pod, podIp, peer, peerIp)
    assert.equal(pod.sallyport('iptables', 'apply', '-b', '8080', '-i', '10.96.0.0/16').code, 0)
    await pod.start(...answering('proxy', ':::15006', ':::15001'), asProxy)
    const inbound = ask(peer, asApplication, podIp, 8080)
    assert.deepEqual(inbound, {
      by: 'proxy:15006',
      original: `${podIp}:8080`,
      local: `${podIp}:15006`,
      source: `::ffff:${peerIp}`,
    })
    assert.equal(ask(pod, asApplication, '10.96.1.1', 80).original, '10.96.1.1:80')
    // What is not listed is not captured, either way.
    assert.equal(ask(peer, asApplication, podIp, 8081).by, 'ECONNREFUSED')
    assert.equal(ask(pod, asApplication, peerIp, 8000).by, 'ECONNREFUSED')
  } finally {
    await pod.remove()
    await peer.remove()
  }
})
