/** The sidecar's own workload: who it is, where it listens (dataplane §1, architecture §1 `--workload`). */

export interface Workload {
  readonly name: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly labels: Readonly<Record<string, string>>
  /** Every address of the workload, canonical text. The first is the one it is known by. */
  readonly addresses: readonly string[]
}
