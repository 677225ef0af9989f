/**
 * Sends an allowed request to the application beside us. It demands the Permit: there is no way here without a verdict.
 */
import { connect } from 'node:net'
import { formatSocketAddress } from '../../address/socket-address.ts'
import type { Permit } from '../../authz/permit.ts'
import type { DataPlane } from '../data-plane.ts'
import type { Exchange, UpstreamTarget } from '../http/exchange.ts'
import type { RequestRewrite } from '../http/headers.ts'
import type { RequestView } from '../http/request-view.ts'
import type { Dial } from '../http/sides.ts'
import { ownPrincipal } from '../own-principal.ts'
import type { InboundCall } from './inbound-call.ts'
import { applicationDial } from './application-dial.ts'
import type { ApplicationDial } from './forward-tcp.ts'

/** Made once a connection: everything about forwarding that does not change from request to request. */
export interface InboundForwarding {
  readonly target: UpstreamTarget
  readonly rewrite: RequestRewrite
  readonly cluster: string
}

export function inboundForwarding(call: InboundCall, plane: DataPlane): InboundForwarding {
  const { connection } = call
  const dial = applicationDial(call, plane)
  const { peer } = connection
  return {
    target: {
      upstreams: plane.applicationPool,
      key: formatSocketAddress(dial.target),
      dial: dialApplication(dial, plane),
      response: { server: plane.settings.serverHeader.inbound, serviceTime: true },
      timeoutMs: 0,
      onDialFailure: null,
    },
    rewrite: {
      // One element a hop (dataplane §9.1); what a client without mTLS claims is dropped.
      clientCertElement:
        peer === null
          ? ''
          : `By=${ownPrincipal(plane)};Hash=${peer.certificateHash};Subject="${peer.subject.replace(/["\\]/g, '\\$&')}";URI=${peer.id.uri}`,
      proto: peer === null ? 'http' : 'https',
    },
    cluster: `inbound|${connection.destination.port}||`,
  }
}

export function forwardHttp(
  exchange: Exchange,
  _permit: Permit,
  view: Extract<RequestView, { ok: true }>,
  forwarding: InboundForwarding,
): void {
  exchange.upstreamCluster = forwarding.cluster
  exchange.upstreamHost = forwarding.target.key
  exchange.forward(forwarding.target, view.target, view.headers)
}

function dialApplication(dial: ApplicationDial, plane: DataPlane): Dial {
  return (done) => {
    const socket = connect({
      host: dial.target.address,
      port: dial.target.port,
      allowHalfOpen: true,
      noDelay: true,
      ...(dial.source === null ? {} : { localAddress: dial.source }),
    })
    const timer = plane.clock.after(dial.timeoutMs, () => socket.destroy(timedOut))
    const onError = (error: NodeJS.ErrnoException): void => {
      timer.cancel()
      const kind = error === timedOut ? 'connect_timeout' : 'connect'
      done({ ok: false, failure: { kind, reason: error.code ?? error.message } })
    }
    socket.once('error', onError)
    socket.once('connect', () => {
      timer.cancel()
      socket.off('error', onError)
      const remoteAddress = formatSocketAddress(dial.target)
      const localAddress = `${socket.localAddress}:${socket.localPort}`
      const info = { remoteAddress, localAddress, peer: null }
      done({ ok: true, stream: socket, info, multiplexed: false })
    })
  }
}

const timedOut = new Error('connect timeout')
