/** What one gRPC call shows of its caller, as values the identity room judges. It judges nothing itself. */
import type { ServerUnaryCall } from '@grpc/grpc-js'
import type { CallerProof } from '../identity/authenticate-caller.ts'

type Call = Pick<ServerUnaryCall<unknown, unknown>, 'metadata' | 'getAuthContext'>

export function callerProof(call: Call, encrypted: boolean): CallerProof {
  // The library fills this in only for a chain that verified against the port's roots.
  const leaf = call.getAuthContext().sslPeerCertificate?.raw ?? null
  return { encrypted, peerLeaf: leaf, authorization: call.metadata.get('authorization').map(String) }
}
