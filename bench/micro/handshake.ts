/**
 * CPU of a whole mTLS handshake, both sides in this process: ours (library and identity both verify), the same resumed,
 * and a bare TLSSocket that verifies by identity alone. Prints JSON; it draws no conclusion.
 */
import { createServer, connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import { createTestCa } from '../../test/support/test-ca.ts'
import { verifySvid } from '../../src/identity/verify-svid.ts'
import type { Handshake } from '../../src/tls/handshake.ts'
import { originate } from '../../src/tls/originate.ts'
import { peerChain } from '../../src/tls/peer-chain.ts'
import { terminate } from '../../src/tls/terminate.ts'
import { TlsContexts } from '../../src/tls/tls-contexts.ts'

const rounds = Number(process.argv[2] ?? 300)
const ca = await createTestCa({ trustDomain: 'cluster.local' })
const middle = await ca.intermediate()
const contextsOf = async (name: string) => {
  const contexts = new TlsContexts({ minVersion: 'TLSv1.2', cipherSuites: [] })
  const { certificateChain, privateKey } = await middle.svid('ns', name)
  contexts.update({ certificateChain, privateKey, trustBundles: { 'cluster.local': ca.rootPem } })
  return { contexts, certificateChain, privateKey }
}
const near = await contextsOf('client')
const far = await contextsOf('server')
const tls = {
  mode: 'mtls',
  sni: 'a.test',
  expected: ['spiffe://cluster.local/ns/ns/sa/server'],
  settings: null,
} as const

async function measure(serve: (socket: Socket) => void, resume: boolean): Promise<number> {
  const server = createServer(serve)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const once = async (): Promise<void> => {
    const socket = connect(port, '127.0.0.1')
    await new Promise((resolve) => socket.once('connect', resolve))
    const handshake = await new Promise<Handshake>((resolve) =>
      originate(
        socket,
        near.contexts,
        { tls, alpn: resume ? [] : [String(Math.random())], deadlineMs: 9000, host: '' },
        resolve,
      ),
    )
    if (!handshake.ok) throw new Error(handshake.reason)
    const { stream } = handshake.secure
    stream.resume()
    await new Promise((resolve) => stream.once('data', resolve))
    stream.destroy()
  }
  for (let i = 0; i < 50; i += 1) await once()
  const before = process.cpuUsage()
  for (let i = 0; i < rounds; i += 1) await once()
  const { user, system } = process.cpuUsage(before)
  server.close()
  return Math.round((user + system) / rounds)
}

const ours = (socket: Socket): void =>
  terminate(socket, far.contexts, { alpn: [], offeredAlpn: [], deadlineMs: 9000 }, (handshake) => {
    if (handshake.ok) handshake.secure.stream.end('x')
  })

const bundles = far.contexts.bundles
if (bundles === null) throw new Error('no bundles')
const { certificateChain: cert, privateKey: key } = far
const secureContext = createSecureContext({ cert, key, ca: bundles.allPem, sessionIdContext: 'bench' })
const bare = (socket: Socket): void => {
  const stream = new TLSSocket(socket, {
    isServer: true,
    secureContext,
    requestCert: true,
    rejectUnauthorized: true,
  })
  stream.on('error', () => undefined)
  stream.once('secure', () => {
    if (verifySvid(peerChain(stream), bundles, Date.now()).ok) stream.end('x')
  })
}

const result = {
  fullUs: await measure(ours, false),
  resumedUs: await measure(ours, true),
  bareTlsSocketUs: await measure(bare, false),
}
process.stdout.write(`${JSON.stringify({ bench: 'handshake', node: process.version, rounds, ...result })}\n`)
process.exit(0)
