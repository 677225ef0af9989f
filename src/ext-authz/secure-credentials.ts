/**
 * gRPC channel credentials whose handshake is somebody else's: the socket is handed over and comes back protected. They
 * hold no certificate and no key.
 */
import { ChannelCredentials, Metadata, credentials } from '@grpc/grpc-js'
import type { experimental } from '@grpc/grpc-js'
import type { Socket } from 'node:net'

/** Rejects when the peer is not who it should be: the call then fails as unavailable. */
export type Protect = (socket: Socket) => Promise<Socket>

export class SecureCredentials extends ChannelCredentials {
  readonly #protect: Protect

  constructor(protect: Protect) {
    super()
    this.#protect = protect
  }

  override _isSecure(): boolean {
    return true
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other
  }

  override _createSecureConnector(): experimental.SecureConnector {
    const none = credentials.createFromMetadataGenerator((_, done) => done(null, new Metadata()))
    return {
      connect: async (socket) => ({ socket: await this.#protect(socket), secure: true }),
      waitForReady: async () => undefined,
      getCallCredentials: () => none,
      destroy: () => undefined,
    }
  }
}
