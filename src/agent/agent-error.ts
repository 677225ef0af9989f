/** What can go wrong with the agent on purpose; each code is documented with its meaning and mend. */
import { MeshError } from '../error.ts'

export type AgentErrorCode =
  | 'ERR_AGENT_WORKLOAD'
  | 'ERR_AGENT_ROOT_FILE'
  | 'ERR_AGENT_TOKEN_FILE'
  | 'ERR_AGENT_CA_REFUSED'
  | 'ERR_AGENT_CA_UNREACHABLE'
  | 'ERR_AGENT_CA_RESPONSE'
  | 'ERR_AGENT_SOCKET_PATH'
  | 'ERR_AGENT_SOCKET_BUSY'
  | 'ERR_AGENT_SOCKET'

export class AgentError extends MeshError<AgentErrorCode> {}
