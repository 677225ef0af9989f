/**
 * The discovery messages as the loaded codecs give them: one TypeScript shape for discovery.proto. Shapes only; the
 * protocol's rules live with the servers and clients that speak it.
 */
import type { StructMessage } from './struct.ts'

export interface AnyMessage {
  readonly type_url: string
  readonly value: Buffer
}

export interface NodeMessage {
  readonly id: string
  readonly cluster?: string
  readonly metadata?: StructMessage | null
  readonly user_agent_name?: string
  readonly user_agent_version?: string
}

export interface StatusMessage {
  readonly code: number
  readonly message: string
}

export interface DiscoveryRequest {
  readonly version_info: string
  readonly node: NodeMessage | null
  readonly resource_names: readonly string[]
  readonly type_url: string
  readonly response_nonce: string
  readonly error_detail: StatusMessage | null
}

export interface DiscoveryResponse {
  readonly version_info: string
  readonly resources: readonly AnyMessage[]
  readonly type_url: string
  readonly nonce: string
}
