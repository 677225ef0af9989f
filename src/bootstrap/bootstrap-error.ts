/** What is wrong with flags, environment or the workload file: raised before anything is started. */
import { MeshError } from '../error.ts'

export type BootstrapErrorCode =
  | 'ERR_BOOTSTRAP_ADDRESS'
  | 'ERR_BOOTSTRAP_MAPPING'
  | 'ERR_BOOTSTRAP_NUMBER'
  | 'ERR_BOOTSTRAP_DURATION'
  | 'ERR_BOOTSTRAP_CHOICE'
  | 'ERR_BOOTSTRAP_WORKLOAD'
  | 'ERR_BOOTSTRAP_MISSING'
  | 'ERR_BOOTSTRAP_FILE'
  | 'ERR_BOOTSTRAP_MESH_CONFIG'

export class BootstrapError extends MeshError<BootstrapErrorCode> {}
