/**
 * What the bench needs of a proxy pair that is up: where traffic goes in, which processes to watch, and where it logs. How
 * it is configured is each contender's own matter.
 */
import type { Child } from './children.ts'
import type { ContenderName, Settings } from './options.ts'
import type { ClientPair } from './load/window.ts'

export interface Target {
  readonly address: string
  readonly port: number
}

export interface Contender {
  readonly name: ContenderName
  readonly settings: Settings
  readonly version: string
  /** The processes, outbound first. */
  readonly outbound: Child
  readonly inbound: Child
  /** Authority that requests name. */
  readonly host: string
  /** Plaintext HTTP/1.1 into the outbound proxy. */
  readonly pairHttp: Target
  /** mTLS into the inbound proxy. */
  readonly singleHttp: Target
  readonly serverName: string
  /** Opaque bytes into the outbound proxy; `connect` = ask for the stream by CONNECT. null = it cannot. */
  readonly pairTcp: (Target & { readonly connect: string | null }) | null
  /** Where the inbound proxy takes those bytes over mTLS; null = it cannot. */
  readonly singleTcp: Target | null
  /** Certificate of a client the inbound proxy lets in. */
  readonly client: ClientPair
  /** Access logs in force, one a process. */
  readonly accessLogs: readonly string[]
}

/** What every contender is told. */
export interface Surroundings {
  /** Own folder, made already. */
  readonly folder: string
  /** Loopback addresses of its own. */
  readonly outboundAddress: string
  readonly inboundAddress: string
  readonly appHttp: Target
  readonly appTcp: Target
}

export const text = ({ address, port }: Target): string => `${address}:${port}`
