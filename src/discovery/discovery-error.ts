/** What can go wrong before there is any configuration to keep. Once there is some, failures are reported as values. */
import { MeshError } from '../error.ts'

export type DiscoveryErrorCode =
  | 'ERR_DISCOVERY_FOLDER_MISSING'
  | 'ERR_DISCOVERY_FOLDER_UNREADABLE'
  | 'ERR_DISCOVERY_NODE'
  | 'ERR_DISCOVERY_ROOT'
  | 'ERR_DISCOVERY_TOKEN'
  | 'ERR_DISCOVERY_CERTIFICATE'

export class DiscoveryError extends MeshError<DiscoveryErrorCode> {}
