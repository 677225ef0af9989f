/**
 * The record of one downstream connection, born complete and filled in by each step of an itinerary. It owns the raw
 * socket and can end it; it decides nothing.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { formatSocketAddress } from '../address/socket-address.ts'
import type { SocketAddress } from '../address/socket-address.ts'
import type { ConnectionContext } from '../authz/request-context.ts'
import type { PeerIdentity } from '../identity/peer-identity.ts'
import { ConnectionPart } from '../telemetry/connection-part.ts'

export type Direction = 'inbound' | 'outbound'

export class Connection {
  readonly id: number
  readonly direction: Direction
  /** The accepted TCP socket. */
  readonly socket: Socket
  /** What carries application bytes: the socket itself, or the TLS session that ends here. */
  stream: Duplex
  readonly remote: SocketAddress
  /** Where the peer meant to go; the listener's own address without interception. */
  readonly destination: SocketAddress
  /** Both addresses as text, for records. */
  readonly remoteText: string
  readonly destinationText: string
  /** Milliseconds since the epoch. */
  readonly openedAt: number
  /** What its access records have in common, as text. */
  readonly recordPart = new ConnectionPart()
  /** The verified peer, once mTLS ended here. */
  peer: PeerIdentity | null = null
  tlsVersion: string | null = null
  tlsCipher: string | null = null
  sni = ''
  /** What policy may know about the connection; null until it is known. */
  context: ConnectionContext | null = null
  /** Whether policy judges its requests one by one, or the connection as such. */
  judgedAs: 'http' | 'tcp' | null = null
  /** Ends whatever serves the connection: drains it (true) or cuts it with a reason. Set by the serving step. */
  onDrain: (() => void) | null = null
  /** Judges what is under way again after a policy change; set by the serving step. */
  onPolicyChange: (() => void) | null = null
  closed = false
  /** Ended before anything served it: said once. */
  refused = false
  /** An answer was written that must still arrive: ending waits for it. */
  answered = false

  constructor(
    id: number,
    direction: Direction,
    socket: Socket,
    remote: SocketAddress,
    destination: SocketAddress,
    openedAt: number,
  ) {
    this.id = id
    this.direction = direction
    this.socket = socket
    this.stream = socket
    this.remote = remote
    this.destination = destination
    this.remoteText = formatSocketAddress(remote)
    this.destinationText = formatSocketAddress(destination)
    this.openedAt = openedAt
  }

  /**
   * Ends the connection at once: an RST for the bytes nobody read, or a FIN. A TLS session is ended through itself: the
   * library still uses it when the socket below is torn away in the middle of one of its events.
   */
  cut(reset: boolean): void {
    if (this.stream !== this.socket) this.stream.destroy()
    else if (this.socket.destroyed) return
    else if (this.answered) this.socket.destroySoon()
    else if (reset) this.socket.resetAndDestroy()
    else this.socket.destroy()
  }
}
