/**
 * A configuration folder read once, as the sidecar would read it at its first start: what is in force, and what is not.
 * It keeps nothing, watches nothing, and knows no earlier good version of any object.
 */
import { assembleConfig } from '../../discovery/assemble-config.ts'
import type { DecodedConfig } from '../../discovery/build-snapshot.ts'
import { DiscoveryError } from '../../discovery/discovery-error.ts'
import { FolderReader } from '../../discovery/read-folder.ts'
import { ResourceState } from '../../discovery/resource-state.ts'
import type { ConfigState } from '../../discovery/resource-state.ts'

export interface PolicyFolder {
  readonly config: DecodedConfig
  readonly state: ConfigState
}

export async function loadPolicyFolder(root: string): Promise<PolicyFolder> {
  const files = await new FolderReader(root).read().catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT')
      throw new DiscoveryError('ERR_DISCOVERY_FOLDER_MISSING', `${root} is not there`, 'name a folder')
    const reason = `${root} cannot be read (${code ?? 'unknown error'})`
    throw new DiscoveryError('ERR_DISCOVERY_FOLDER_UNREADABLE', reason, 'name a folder that can be read')
  })
  const state = new ResourceState().apply(files)
  return { state, config: assembleConfig(state, []) }
}
