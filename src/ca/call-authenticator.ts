/**
 * What one gRPC call shows of its caller, taken to the identity room for judgment. It serves every service on the mesh's
 * port, unary or streaming; it judges nothing itself.
 */
import type { ServerUnaryCall } from '@grpc/grpc-js'
import { authenticateCaller } from '../identity/authenticate-caller.ts'
import type { Caller, CallerRules } from '../identity/authenticate-caller.ts'
import { cameEncrypted } from './server-credentials.ts'

/** Any server call: unary and streaming ones have both. */
export type AuthenticCall = Pick<ServerUnaryCall<unknown, unknown>, 'metadata' | 'getAuthContext'>
export type CallAuthenticator = (call: AuthenticCall) => Promise<Caller>

/** Only calls on ports with VerifyIfGiven credentials (startMeshGrpcServer's) can authenticate. */
export function callAuthenticator(rules: CallerRules): CallAuthenticator {
  return (call) => {
    // The library fills this in only for a chain that verified against the port's roots.
    const peerLeaf = call.getAuthContext().sslPeerCertificate?.raw ?? null
    const authorization = call.metadata.get('authorization').map(String)
    return authenticateCaller({ encrypted: cameEncrypted(call.metadata), peerLeaf, authorization }, rules)
  }
}
