/** The messages between the control thread and a data worker. Values only: nothing is shared. */
import type { SocketAddress } from '../address/socket-address.ts'
import type { ProviderCounters } from '../ext-authz/provider.ts'
import type { KeySets } from '../jwt/key-source.ts'
import type { SecretSet } from '../identity/svid.ts'
import type { SeriesCounts } from '../telemetry/traffic-metrics.ts'
import type { ShadowCell, VerdictCell } from '../telemetry/verdict-counts.ts'
import type { DataplaneSettings } from './dataplane-settings.ts'
import type { PackedSnapshot } from './packed-snapshot.ts'
import type { DecisionName } from './decisions/recent-decisions.ts'

export interface WorkerInit {
  readonly index: number
  readonly settings: DataplaneSettings
  /** Makes digests of the values in decision records; a secret, so no part of the settings. null = no digests. */
  readonly decisionKey: Uint8Array | null
}

/** A decision may be asked for, or the list of those that are remembered. */
export type Question = 'metrics' | 'clusters' | 'decisions' | { readonly explain: DecisionName }

export type ToWorker =
  | { readonly type: 'snapshot'; readonly snapshot: PackedSnapshot }
  | { readonly type: 'secrets'; readonly secrets: SecretSet }
  /** Documents of all issuers, as fetched by the control thread. */
  | { readonly type: 'key-sets'; readonly sets: KeySets }
  /** Inbound: finish requests, close idle connections, keep accepting; outbound stays open. */
  | { readonly type: 'drain'; readonly direction: 'inbound' | 'outbound' }
  /** Access log lines have been written, or dropped: their buffer can be filled again. */
  | { readonly type: 'written'; readonly buffer: ArrayBuffer }
  | { readonly type: 'ask'; readonly id: number; readonly question: Question }
  /** So many bytes of decision lines are written or lost. */
  | { readonly type: 'decisions-taken'; readonly bytes: number }
  | { readonly type: 'close' }

export type FromWorker =
  | {
      readonly type: 'listening'
      readonly direction: 'inbound' | 'outbound'
      readonly address: SocketAddress
    }
  | { readonly type: 'ready' }
  /** A snapshot is in force, and what is under way was judged by it; once for each that comes into force. */
  | { readonly type: 'applied'; readonly generation: number }
  | { readonly type: 'answer'; readonly id: number; readonly answer: unknown }
  /** Whole access log lines, UTF-8, newline-terminated, batched; the buffer is transferred. */
  | { readonly type: 'access-log'; readonly lines: Uint8Array<ArrayBuffer> }
  /** The same of the decision log; every batch is answered by `decisions-taken`. */
  | { readonly type: 'decisions'; readonly lines: Uint8Array<ArrayBuffer>; readonly count: number }
  | { readonly type: 'notice'; readonly level: 'info' | 'warn'; readonly message: string }
  /** The error that ended the start; `code` and `mend` are null when nobody foresaw it. */
  | {
      readonly type: 'failed'
      readonly code: string | null
      readonly message: string
      readonly mend: string | null
    }
  | { readonly type: 'drained'; readonly direction: 'inbound' | 'outbound' }
  /** A token named a key that no document of this source has. */
  | { readonly type: 'refetch-keys'; readonly source: string }
  /** Everything is cut and flushed: the thread can end. */
  | { readonly type: 'closed' }

/** What a thread answers to `metrics`. */
export interface ThreadMetrics {
  readonly series: readonly SeriesCounts[]
  readonly refusals: Readonly<Record<string, number>>
  readonly connections: { readonly inbound: number; readonly outbound: number }
  readonly handshakes: number
  readonly overflowedSeries: number
  readonly generation: number
  readonly authorizers: Readonly<Record<string, ProviderCounters>>
  readonly verdicts: readonly VerdictCell[]
  readonly shadows: readonly ShadowCell[]
  /** Decision lines that found no room on their way out of the thread. */
  readonly droppedDecisions: number
  readonly pools: Readonly<
    Record<'application' | 'mesh', { readonly open: number; readonly idle: number; readonly pending: number }>
  >
  /** Event-loop delay since the last question, milliseconds. */
  readonly loopDelayP99Ms: number
  readonly heapUsedBytes: number
}
