/** Who the agent asks a certificate for. It is a claim for the request only: the CA certifies what it attested. */
import { istioSpiffeUri, parseSpiffeId } from '../spiffe/spiffe-id.ts'
import type { SpiffeId } from '../spiffe/spiffe-id.ts'
import { AgentError } from './agent-error.ts'

export interface AgentWorkload {
  readonly trustDomain: string
  readonly namespace: string
  readonly serviceAccount: string
}

export function workloadId(workload: AgentWorkload): SpiffeId {
  const uri = istioSpiffeUri(workload.trustDomain, workload.namespace, workload.serviceAccount)
  const id = parseSpiffeId(uri)
  if (id !== null && id.namespace !== null) return id
  throw new AgentError(
    'ERR_AGENT_WORKLOAD',
    `"${uri}" is not a workload identity`,
    'set trust domain, namespace and service account to lower-case names',
  )
}
