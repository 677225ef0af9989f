/** What a stream to the control plane is opened with: read anew each time, since all of it is rotated in place. */
import { readFile } from 'node:fs/promises'
import type { ControlPlane } from '../bootstrap/sidecar-settings.ts'
import { BootstrapError } from '../bootstrap/bootstrap-error.ts'
import type { AdsCredentials } from '../discovery/ads-stream.ts'

/** The current certificate is shown once there is one; the token beside it, for servers that know neither root. */
export async function readControlPlane(
  plane: ControlPlane,
  current: { readonly certificateChain: string; readonly privateKey: string } | null,
): Promise<AdsCredentials> {
  return {
    rootPem: await read(plane.rootFile, 'the root certificate of the control plane'),
    certificate: current === null ? null : { chainPem: current.certificateChain, keyPem: current.privateKey },
    token: plane.tokenFile === null ? null : (await read(plane.tokenFile, 'the token')).trim(),
  }
}

async function read(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? 'unreadable'
    throw new BootstrapError(
      'ERR_BOOTSTRAP_FILE',
      `cannot read ${what} ${path}: ${why}`,
      'check the path and its permissions',
      { cause },
    )
  }
}
