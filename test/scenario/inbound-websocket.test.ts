import { test } from 'node:test'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { Harness, inboundPort, policy } from '../support/data-plane-harness.ts'
import { createTestCa } from '../support/test-ca.ts'
import { dialWire } from '../support/wire-client.ts'

const timeout = 5000
const ca = await createTestCa({ trustDomain: 'cluster.local' })
const own = await ca.svid('shop', 'web')

test('a WebSocket ends when policy no longer allows its request, and not before', { timeout }, async (t) => {
  const application = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
      socket.on('data', (bytes) => socket.write(bytes))
    })
  })
  application.listen(0, '127.0.0.1')
  await once(application, 'listening')
  t.after(() => application.close())
  const { port } = application.address() as AddressInfo
  const harness = await Harness.start({ applications: [port] })
  harness.identity(own, { 'cluster.local': ca.rootPem })
  const apply = (rules: string, name: string): void =>
    harness.apply({
      inboundPorts: [inboundPort(harness.port, 'http', 'PERMISSIVE')],
      authorizationPolicies: policy('ALLOW', rules, name),
    })
  apply('[{to: [{operation: {paths: ["/chat"]}}]}]', 'chat')
  const peer = await dialWire(t, harness.port)
  let seen = ''
  peer.stream.on('data', (bytes: Buffer) => (seen += bytes.toString('latin1')))
  const says = async (text: string): Promise<void> => {
    while (!seen.includes(text)) await once(peer.stream, 'data')
  }
  peer.send('GET /chat HTTP/1.1\r\nhost: web\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
  await says(' 101 ')
  peer.send('one')
  await says('one')

  apply('[{to: [{operation: {paths: ["/chat*"]}}]}]', 'still')
  peer.send('two')
  await says('two')

  const ended = once(peer.stream, 'end')
  apply('[{to: [{operation: {paths: ["/else"]}}]}]', 'gone')
  await ended
  peer.stream.destroy()
  await harness.quiet()
  await harness.stop()
})
