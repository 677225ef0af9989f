/**
 * Ends a peer's mTLS here: a client certificate is required, verified by the TLS library against all anchors and then
 * by identity against its own domain's. It chooses no chain and waits for no admission; on failure the socket is gone.
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { verifySvid } from '../identity/verify-svid.ts'
import type { Timer } from '../lifecycle/clock.ts'
import { deliver, endOnError, failure, failureOf, ignoreError, secured } from './handshake.ts'
import type { Handshake } from './handshake.ts'
import { peerChain } from './peer-chain.ts'
import type { TlsContexts } from './tls-contexts.ts'

export interface TerminateOptions {
  /** Protocols we would speak, best first. */
  readonly alpn: readonly string[]
  /** What the ClientHello offered, as peeked: the library would answer "none in common" with an alert, Istio does not. */
  readonly offeredAlpn: readonly string[]
  /** From now to the verified peer, milliseconds. */
  readonly deadlineMs: number
}

/** `socket`: accepted, its first bytes unshifted. `done` is called once, never before this returns. */
export function terminate(
  socket: Socket,
  contexts: TlsContexts,
  options: TerminateOptions,
  done: (handshake: Handshake) => void,
): void {
  let timer: Timer | null = null
  let settled = false
  const settle = (handshake: Handshake): void => {
    if (settled) return
    settled = true
    timer?.cancel()
    if (!handshake.ok) socket.destroy()
    deliver(handshake, done)
  }
  socket.on('error', ignoreError)
  const generation = contexts.current
  if (generation === null || socket.destroyed) {
    const refused =
      generation === null ? failure('not_ready', 'no certificate in force') : failureOf(null, null)
    process.nextTick(settle, refused)
    return
  }
  timer = contexts.clock.after(options.deadlineMs, () =>
    settle(failure('timeout', `no handshake within ${options.deadlineMs} ms`)),
  )
  const alpn = options.alpn.find((protocol) => options.offeredAlpn.includes(protocol)) ?? ''
  generation.acceptor.accept(socket, alpn, (stream, error) => {
    if (settled) stream.destroy()
    else settle(error === null ? judged(stream, contexts) : failureOf(error, stream.authorizationError))
  })
}

/** Who the client is, by the anchors in force now: a domain dropped during the handshake is dropped. */
function judged(stream: TLSSocket, contexts: TlsContexts): Handshake {
  stream.on('error', endOnError)
  if (stream.destroyed) return failureOf(null, stream.authorizationError)
  const { bundles } = contexts
  if (!stream.authorized || bundles === null)
    return failureOf(null, stream.authorizationError ?? 'UNAUTHORIZED')
  const verdict = verifySvid(peerChain(stream), bundles, contexts.clock.now(), 'client')
  if (verdict.ok) return secured(stream, verdict.peer)
  stream.destroy()
  return failure(verdict.code, `the client is refused: ${verdict.reason}`)
}
