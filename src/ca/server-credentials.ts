/**
 * TLS for the mesh's gRPC port: verify-if-given. A client may come without a certificate; one that does not verify
 * against our root counts as none. grpc-js offers only "demand" or "never ask", hence this subclass.
 */
import { constants } from 'node:crypto'
import { ServerCredentials, ServerInterceptingCall } from '@grpc/grpc-js'
import type { Metadata, ServerInterceptor } from '@grpc/grpc-js'

/** All PEM. */
export interface ServerPair {
  readonly certificateChain: string
  readonly privateKey: string
  readonly clientRoots: string
}

// Metadata objects are born one per call, inside the library: a client cannot put its own here.
const encryptedCalls = new WeakSet<Metadata>()

/** Whether the call that brought `metadata` came over a connection with VerifyIfGiven credentials. */
export function cameEncrypted(metadata: Metadata): boolean {
  return encryptedCalls.has(metadata)
}

const markEncrypted: ServerInterceptor = (_method, call) =>
  new ServerInterceptingCall(call, {
    start: (next) =>
      next({
        onReceiveMetadata(metadata, forward) {
          encryptedCalls.add(metadata)
          forward(metadata)
        },
        onReceiveMessage: (message, forward) => forward(message),
        onReceiveHalfClose: (forward) => forward(),
        onCancel: () => undefined,
      }),
  })

export class VerifyIfGiven extends ServerCredentials {
  constructor(pair: ServerPair) {
    super(
      {
        requestCert: true,
        // The verdict stays readable (the library's auth context shows only verified peers), the connection goes on.
        rejectUnauthorized: false,
        minVersion: 'TLSv1.2',
        // Each connection shows its certificate anew: none outlives its verification in a ticket.
        secureOptions: constants.SSL_OP_NO_TICKET,
      },
      contextOf(pair),
    )
  }

  /** New connections see `pair`; open ones keep what they have. */
  update(pair: ServerPair): void {
    this.updateSecureContextOptions(contextOf(pair))
  }

  override _getInterceptors(): ServerInterceptor[] {
    return [markEncrypted]
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other
  }
}

function contextOf(pair: ServerPair): { ca: string; cert: string; key: string } {
  return { ca: pair.clientRoots, cert: pair.certificateChain, key: pair.privateKey }
}
