/**
 * Who asks for configuration and whether the node it claims to be is its to claim (dataplane §10.2). How an identity is
 * proved is the authenticator's business, which is handed in.
 */
import { status } from '@grpc/grpc-js'
import { parseNode, type NodeId } from '../discovery/node-id.ts'
import type { NodeMessage } from '../proto/discovery-messages.ts'
import { fromStruct } from '../proto/struct.ts'

/** An identity that was proved by client certificate or token (dataplane §6.3). */
export interface Caller {
  readonly namespace: string
  readonly serviceAccount: string
}

export type Admission =
  | { readonly ok: true; readonly node: NodeId }
  | { readonly ok: false; readonly code: number; readonly message: string }

export function admit(caller: Caller, node: NodeMessage | null): Admission {
  if (node === null || node.id === '') {
    return { ok: false, code: status.INVALID_ARGUMENT, message: 'missing node information' }
  }
  const parsed = parseNode(node.id, fromStruct(node.metadata))
  if (typeof parsed === 'string') return { ok: false, code: status.INVALID_ARGUMENT, message: parsed }
  const account = parsed.serviceAccount
  if (parsed.namespace !== caller.namespace || (account !== null && account !== caller.serviceAccount)) {
    // Istio's words: which of the two did not fit is nobody's business but the server's.
    return { ok: false, code: status.PERMISSION_DENIED, message: 'authorization failed' }
  }
  return { ok: true, node: parsed }
}
