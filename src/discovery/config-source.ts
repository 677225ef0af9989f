/**
 * Where snapshots come from, a folder or a server, as everybody behind it sees it. It promises whole snapshots only,
 * and that the last good one stays while the source is in trouble.
 */
import type { Latest } from '../lifecycle/latest.ts'
import type { ConfigState } from './resource-state.ts'
import type { Snapshot } from './snapshot.ts'

export interface ConfigStatus {
  /** Folder or server, for people. */
  readonly source: string
  /** The folder is readable and watched, or a stream to the server is up. */
  readonly connected: boolean
  /** The snapshot in force was built from the copy kept on disk, nothing newer has arrived. */
  readonly fromDisk: boolean
  /** What is wrong with the source right now, or null. */
  readonly trouble: string | null
  /** Milliseconds since the epoch of the last snapshot that was a change; 0 before the first. */
  readonly changedAt: number
  /** Whole updates refused since the start (NACKs, unreadable folders). */
  readonly rejected: number
}

export interface ConfigSource {
  readonly snapshots: Latest<Snapshot>
  /** Objects in force, ignored ones and warnings, for status pages; null before the first. */
  readonly state: ConfigState | null
  status(): ConfigStatus
  close(): Promise<void>
}
