/**
 * What is asked of the load process and what it answers, over the channel to the process that started it. Values only.
 */
import type { Memory } from '../process-usage.ts'

/** Processes whose CPU and memory are read at the edges of the window, by role. */
export type WatchedProcesses = Readonly<Record<string, readonly number[]>>

export interface ClientPair {
  /** PEM. */
  readonly certificate: string
  readonly key: string
}

interface WindowTask {
  readonly address: string
  readonly port: number
  readonly warmMs: number
  readonly windowMs: number
  readonly watched: WatchedProcesses
}

export interface HttpTask extends WindowTask {
  readonly kind: 'http'
  readonly connections: number
  readonly host: string
  /** null = plaintext. */
  readonly client: ClientPair | null
  readonly serverName: string
  /** Exact body of every response. */
  readonly body: string
}

export interface TcpTask extends WindowTask {
  readonly kind: 'tcp'
  /** Opens the stream by CONNECT to this authority first. */
  readonly connect: string | null
}

export type Task = HttpTask | TcpTask

export interface Usage {
  readonly cpuSeconds: number
  readonly memory: Memory
}

export interface WindowResult {
  readonly seconds: number
  /** HTTP: requests answered in the window. */
  readonly requests: number
  /** TCP: bytes sent in the window. */
  readonly bytes: number
  /** Microseconds; 0 for TCP. */
  readonly p50: number
  readonly p99: number
  readonly usage: Readonly<Record<string, Usage>>
  /** What went wrong, warm-up included; the row counts only when it is empty. */
  readonly faults: readonly string[]
}

export type Answer = { readonly ok: WindowResult } | { readonly failed: string }
