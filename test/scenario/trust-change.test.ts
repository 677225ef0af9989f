import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Harness, inboundPort } from '../support/data-plane-harness.ts'
import { echoApplication, httpApplication } from '../support/applications.ts'
import { createTestCa } from '../support/test-ca.ts'
import { dialTls } from '../support/wire-client.ts'

const timeout = 8000

test(
  'anchors that go take their live connections with them, and leave the others and a mere rotation alone',
  { timeout },
  async (t) => {
    const ca = await createTestCa({ trustDomain: 'cluster.local' })
    const partner = await createTestCa({ trustDomain: 'partner.test' })
    const own = await ca.svid('shop', 'web')
    const both = { 'cluster.local': ca.rootPem, 'partner.test': partner.rootPem }
    const echo = await echoApplication(t)
    const web = await httpApplication(t)
    const harness = await Harness.start({ applications: [echo.port, web.port] })
    harness.identity(own, both)
    const [tcp = 0, http = 0] = harness.inbound
    harness.apply({ inboundPorts: [inboundPort(tcp, 'tcp', 'STRICT'), inboundPort(http, 'http', 'STRICT')] })
    const behind = await ca.intermediate()
    const friends = [await ca.svid('shop', 'a'), await behind.svid('shop', 'b')]
    const stranger = await partner.svid('far', 'c')
    const streams = await Promise.all(
      [...friends, stranger].map((identity) => dialTls(t, tcp, { identity, alpn: ['istio'] })),
    )
    for (const stream of streams) await stream.send('hi').untilText('hi')
    const request = 'GET / HTTP/1.1\r\nhost: web\r\n\r\n'
    const caller = await dialTls(t, http, { identity: stranger, alpn: ['istio-http/1.1', 'http/1.1'] })
    assert.equal((await caller.send(request).response()).status, 200)

    harness.identity(await ca.svid('shop', 'web'), both)
    for (const stream of streams) await stream.send('on').untilText('hion')
    assert.equal((await caller.send(request).response()).status, 200)

    harness.identity(own, { 'cluster.local': ca.rootPem })
    await streams[2]?.over()
    await caller.over()
    for (const stream of streams.slice(0, 2)) await stream.send('!').untilText('hion!')
    assert.deepEqual(harness.metrics().refusals, { untrusted_now: 2 })
    for (const stream of [...streams, caller]) stream.stream.destroy()
    await harness.quiet()
    await harness.stop()
  },
)
