/**
 * Begins TLS on a connected socket and hands it out only when the server is proven to be the one wanted: in the mesh by
 * SPIFFE ID (secure naming), outside it by name. It dials nothing; on failure the socket is gone and no byte was sent.
 */
import { isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { verifySvid } from '../identity/verify-svid.ts'
import type { ClientTls } from '../cluster/endpoint.ts'
import { nameAllowed } from '../cluster/secure-naming.ts'
import { deliver, endOnError, failure, failureOf, ignoreError, secured } from './handshake.ts'
import type { Failure, Handshake } from './handshake.ts'
import { peerChain } from './peer-chain.ts'
import { wrongName } from './server-name.ts'
import type { TlsContexts } from './tls-contexts.ts'

export interface OriginateOptions {
  readonly tls: ClientTls
  /** Protocols to offer, best first; none = no ALPN. */
  readonly alpn: readonly string[]
  /** From now to the verified peer, milliseconds. */
  readonly deadlineMs: number
  /** The service's host, for servers outside the mesh verified by name. */
  readonly host: string
}

type TlsMode = Extract<ClientTls, { sni: string }>

/** How one mode dials, and how it judges who answered. */
interface Plan {
  readonly connection: ConnectionOptions
  readonly judge: (stream: TLSSocket) => Handshake
  /** What to do with a session the server gives; null = nothing is resumed. */
  readonly keep: ((stream: TLSSocket, session: Buffer) => void) | null
}

/** `socket`: connected. `done` is called once, never before this returns. */
export function originate(
  socket: Socket,
  contexts: TlsContexts,
  options: OriginateOptions,
  done: (handshake: Handshake) => void,
): void {
  socket.on('error', ignoreError)
  const plan = planFor(socket, contexts, options)
  if ('ok' in plan || socket.destroyed) {
    socket.destroy()
    process.nextTick(done, 'ok' in plan ? plan : failureOf(null, null))
    return
  }
  const { sni } = options.tls as TlsMode
  const stream = connect({
    ...plan.connection,
    socket,
    // Names are judged below: by SPIFFE ID, or without the library's legacy certificate object.
    checkServerIdentity: () => undefined,
    ...(sni === '' || isIP(sni) !== 0 ? {} : { servername: sni }),
    ...(options.alpn.length === 0 ? {} : { ALPNProtocols: [...options.alpn] }),
  })
  let settled = false
  // Asked for a verdict, not handed one: it must be that of the moment when the stream is given away.
  const finish = (verdict: () => Handshake): void => {
    if (settled) return
    settled = true
    timer.cancel()
    stream.off('secureConnect', onSecure)
    stream.off('error', onError)
    stream.off('close', onClose)
    const handshake = verdict()
    if (!handshake.ok) stream.destroy()
    deliver(handshake, done)
  }
  // From inside OpenSSL's state machine nothing may be destroyed: see acceptor.ts.
  const onSecure = (): unknown =>
    setImmediate(finish, () => (stream.destroyed ? failureOf(null, null) : plan.judge(stream)))
  const onError = (error: unknown): unknown =>
    setImmediate(finish, () => failureOf(error, stream.authorizationError))
  const onClose = (): void => finish(() => failureOf(null, stream.authorizationError))
  const timer = contexts.clock.after(options.deadlineMs, () =>
    finish(() => failure('timeout', `no handshake within ${options.deadlineMs} ms`)),
  )
  stream.on('error', endOnError)
  stream.on('secureConnect', onSecure)
  stream.on('error', onError)
  stream.on('close', onClose)
  // Tickets come after the handshake, so this one stays; the cache it fills is dropped with its generation.
  const { keep } = plan
  if (keep !== null) stream.on('session', (session: Buffer) => keep(stream, session))
}

function planFor(
  socket: Socket,
  contexts: TlsContexts,
  { tls, alpn, host }: OriginateOptions,
): Plan | Failure {
  if (tls.mode === 'refused') return failure('refused', tls.reason)
  if (tls.mode === 'plaintext')
    return failure('refused', 'asked for TLS to an endpoint that speaks plaintext')
  return tls.mode === 'mtls' ? meshPlan(socket, contexts, tls, alpn) : originPlan(contexts, tls, host)
}

function meshPlan(
  socket: Socket,
  contexts: TlsContexts,
  tls: TlsMode,
  alpn: readonly string[],
): Plan | Failure {
  const generation = contexts.current
  if (generation === null) return failure('not_ready', 'no certificate in force')
  if (tls.expected.length === 0) {
    return failure(
      'name_unknown',
      `no identity is known for ${tls.sni}: a mesh service must name who may answer`,
    )
  }
  const key = `${socket.remoteAddress} ${socket.remotePort} ${tls.sni} ${alpn.join(',')}`
  const kept = generation.sessions.take(key)
  // A resumed session has no certificates for us to see; the one it began with was proven to this generation.
  const chainOf = (stream: TLSSocket) => (stream.isSessionReused() ? (kept?.chain ?? []) : peerChain(stream))
  return {
    connection: {
      secureContext: generation.client,
      rejectUnauthorized: true,
      ...(kept === undefined ? {} : { session: kept.session }),
    },
    keep: (stream, session) => {
      if (!stream.destroyed) generation.sessions.put(key, { session, chain: chainOf(stream) })
    },
    judge: (stream) => {
      const bundles = contexts.bundles ?? generation.svid.bundles
      const verdict = verifySvid(chainOf(stream), bundles, contexts.clock.now(), 'server')
      if (!verdict.ok) return failure(verdict.code, `the server is refused: ${verdict.reason}`)
      const seen = verdict.peer.id.uri
      if (nameAllowed(tls.expected, [seen], verdict.peer.dnsNames)) return secured(stream, verdict.peer)
      return failure('name_mismatch', `expected one of ${tls.expected.slice(0, 8).join(' ')}, seen ${seen}`)
    },
  }
}

function originPlan(contexts: TlsContexts, tls: TlsMode, host: string): Plan | Failure {
  const made = contexts.origins.get(tls.settings, tls.mode === 'mutual')
  if (!made.ok) return failure('refused', made.reason)
  const skip = tls.settings?.insecureSkipVerify === true
  return {
    connection: { secureContext: made.context, rejectUnauthorized: !skip },
    keep: null,
    judge: (stream) => {
      const wrong = skip ? null : wrongName(stream, tls.expected, tls.sni === '' ? host : tls.sni)
      return wrong === null ? secured(stream, null) : failure('name_mismatch', wrong)
    },
  }
}
