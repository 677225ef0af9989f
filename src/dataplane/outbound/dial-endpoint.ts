/**
 * Makes one connection to an endpoint: TCP, then the handshake and secure naming it demands, before any application byte
 * (architecture §3). It never falls back to plaintext; it neither picks endpoints nor keeps connections.
 */
import { connect } from 'node:net'
import type { Endpoint } from '../../cluster/endpoint.ts'
import { originate } from '../../tls/originate.ts'
import type { DataPlane } from '../data-plane.ts'
import type { DialResult } from '../http/sides.ts'
import { multiplexedAlpn } from '../http2/multiplexed-alpn.ts'
import type { FailureKind } from '../response-flag.ts'

export interface EndpointDial {
  readonly endpoint: Endpoint
  /** Offered in a mesh handshake; DestinationRule-made TLS offers none of the mesh's tokens (dataplane §4). */
  readonly alpn: readonly string[]
  readonly timeoutMs: number
  /** The service's host, for servers outside the mesh. */
  readonly host: string
}

/** What the upstream is to speak steers the server's chain (dataplane §4); `istio-peer-exchange` is never offered. */
export const meshAlpn = {
  /** Ours comes first; a peer that does not know it chooses as if it had not been there. */
  multiplexed: [multiplexedAlpn, 'istio-http/1.1', 'istio', 'http/1.1'],
  http1: ['istio-http/1.1', 'istio', 'http/1.1'],
  http2: ['istio-h2', 'istio', 'h2'],
  opaque: ['istio'],
} as const

export function dialEndpoint(dial: EndpointDial, plane: DataPlane, done: (result: DialResult) => void): void {
  const { endpoint } = dial
  const { tls } = endpoint
  if (tls.mode === 'refused') return process.nextTick(done, failed('refused', tls.reason))
  if (isSelf(endpoint.address, endpoint.port, plane)) return process.nextTick(done, self)
  const socket = connect({ host: endpoint.address, port: endpoint.port, allowHalfOpen: true, noDelay: true })
  const timer = plane.clock.after(dial.timeoutMs, () => socket.destroy(timedOut))
  const onError = (error: NodeJS.ErrnoException): void => {
    timer.cancel()
    done(failed(error === timedOut ? 'connect_timeout' : 'connect', error.code ?? error.message))
  }
  socket.once('error', onError)
  socket.once('connect', () => {
    timer.cancel()
    socket.off('error', onError)
    // Errors from here on are read from `close` by whoever owns the stream.
    socket.on('error', () => undefined)
    // A name may have led here as well: `localhost`, `0.0.0.0`, or whatever a resolver answers.
    if (isSelf(socket.remoteAddress ?? '', endpoint.port, plane)) {
      socket.destroy()
      return done(self)
    }
    const info = {
      remoteAddress: `${socket.remoteAddress}:${socket.remotePort}`,
      localAddress: `${socket.localAddress}:${socket.localPort}`,
      peer: null,
    }
    if (tls.mode === 'plaintext') return done({ ok: true, stream: socket, info, multiplexed: false })
    const alpn = tls.mode === 'mtls' ? dial.alpn : []
    const options = { tls, alpn, deadlineMs: plane.settings.deadlines.handshakeMs, host: dial.host }
    originate(socket, plane.contexts, options, (handshake) => {
      if (!handshake.ok) return done(failed('handshake', `${handshake.code}: ${handshake.reason}`))
      const { stream, peer, alpn: agreed } = handshake.secure
      done({ ok: true, stream, info: { ...info, peer }, multiplexed: agreed === multiplexedAlpn })
    })
  })
}

/** Our own ports where they are bound: a request sent there would come back for ever. */
function isSelf(address: string, port: number, plane: DataPlane): boolean {
  return plane.ownPorts.has(port) && plane.ownAddresses.has(address)
}

const timedOut = new Error('connect timeout')

const self = failed('refused', 'the destination is this proxy itself')

function failed(kind: FailureKind, reason: string): DialResult {
  return { ok: false, failure: { kind, reason } }
}
