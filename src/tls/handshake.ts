/**
 * What a handshake ends in, both sides alike: a secure stream with a verified peer, or a coded refusal. It performs no
 * handshake; reasons name certificates' flaws and libraries' codes, never key material.
 */
import type { TLSSocket } from 'node:tls'
import type { PeerIdentity } from '../identity/peer-identity.ts'

export interface SecureStream {
  /** Paused, with every decrypted byte still to come; it always has an `error` listener. */
  readonly stream: TLSSocket
  /** Null only where the peer is outside the mesh (SIMPLE, MUTUAL). */
  readonly peer: PeerIdentity | null
  readonly alpn: string | null
  /** '' when none. */
  readonly sni: string
  /** `TLSv1.3`. */
  readonly version: string
  /** IANA name. */
  readonly cipher: string
  /** Whether an earlier session was taken up again. */
  readonly resumed: boolean
}

export type HandshakeFailure =
  | 'no_client_certificate'
  /** Nobody we believe vouches for the peer's certificate now. */
  | 'untrusted'
  /** Its certificate is no X.509-SVID for this use. */
  | 'bad_svid'
  | 'timeout'
  /** The library refused what the peer said, or the peer refused us with an alert. */
  | 'protocol'
  | 'closed'
  /** No key, certificate and trust bundle in force yet, or ours has expired. */
  | 'not_ready'
  /** The peer is who it says, and not whom we wanted. */
  | 'name_mismatch'
  /** There is no list of whom we want: fail closed. */
  | 'name_unknown'
  /** Settings say not to dial, or do not say how. */
  | 'refused'

export type Handshake =
  | { readonly ok: true; readonly secure: SecureStream }
  | { readonly ok: false; readonly reason: string; readonly code: HandshakeFailure }

export type Failure = Extract<Handshake, { ok: false }>

export const failure = (code: HandshakeFailure, reason: string): Failure => ({ ok: false, reason, code })

/** A failed stream's error, and what the library thought of the chain (null: nothing against it), as a refusal. */
export function failureOf(error: unknown, authorizationError: unknown): Failure {
  if (authorizationError !== null && authorizationError !== undefined) {
    return failure('untrusted', `the peer's certificate does not verify: ${codeOf(authorizationError)}`)
  }
  const code = codeOf(error)
  if (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') {
    return failure('no_client_certificate', 'the client sent no certificate')
  }
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code === 'EPROTO')
    return failure('protocol', code)
  return failure('closed', `the connection ended during the handshake: ${code}`)
}

/** What a finished handshake negotiated. */
export function secured(stream: TLSSocket, peer: PeerIdentity | null): Handshake {
  const { alpnProtocol, servername } = stream as { alpnProtocol: string | false | null; servername?: unknown }
  stream.pause()
  return {
    ok: true,
    secure: {
      stream,
      peer,
      alpn: typeof alpnProtocol === 'string' ? alpnProtocol : null,
      sni: typeof servername === 'string' ? servername : '',
      version: stream.getProtocol() ?? '',
      cipher: stream.getCipher().standardName,
      resumed: stream.isSessionReused(),
    },
  }
}

/** Hands the end of a handshake over; a peer that had nothing more to say may have said so before anybody listened. */
export function deliver(handshake: Handshake, done: (handshake: Handshake) => void): void {
  done(handshake)
  if (handshake.ok && handshake.secure.stream.readableEnded) handshake.secure.stream.emit('end')
}

/** For life, on raw sockets: they end by themselves after an error, which the TLS stream reports. */
export const ignoreError = (): void => undefined

/**
 * For life, on TLS streams: the library reports an error after the handshake and leaves the stream open. Not destroyed
 * at once, because the report comes from inside the library.
 */
export function endOnError(this: TLSSocket): void {
  setImmediate(destroy, this)
}

const destroy = (stream: TLSSocket): unknown => stream.destroy()

function codeOf(error: unknown): string {
  if (typeof error === 'string') return error
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : 'ECONNRESET'
}
