/** Everything that runs, as those who use it see it: where it is, what its sidecars logged, which folder it obeys. */
import type { AccessLines } from './access-lines.ts'
import type { Processes } from './processes.ts'
import type { Tier, Topology } from './topology.ts'
import type { WorkingFolder } from './working-folder.ts'

export interface RunningMesh {
  readonly topology: Topology
  readonly folder: WorkingFolder
  readonly processes: Processes
  /** The access log of a tier's sidecar. */
  readonly log: (tier: Tier) => AccessLines
}
