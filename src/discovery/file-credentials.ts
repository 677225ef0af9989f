/**
 * Credentials for the control plane from files, read anew for each stream because they are rotated in place (dataplane
 * §1.3). It verifies nothing and keeps nothing.
 */
import { readFile } from 'node:fs/promises'
import type { AdsCredentials } from './ads-stream.ts'
import { DiscoveryError, type DiscoveryErrorCode } from './discovery-error.ts'

export interface CredentialFiles {
  /** PEM of the control plane's roots. */
  readonly root: string
  /** The workload's token, or null. */
  readonly token: string | null
  /** Our chain and key, PEM; or null. */
  readonly certificate: { readonly chain: string; readonly key: string } | null
}

export function fileCredentials(files: CredentialFiles): () => Promise<AdsCredentials> {
  return async () => {
    const rootPem = await text(files.root, 'ERR_DISCOVERY_ROOT', 'root certificates')
    // An empty file would mean the system's roots to the library: any public authority could then be our mesh.
    if (!rootPem.includes('-----BEGIN CERTIFICATE-----')) {
      throw new DiscoveryError(
        'ERR_DISCOVERY_ROOT',
        `${files.root} has no certificate`,
        'put the root certificates of the mesh there, as PEM',
      )
    }
    const { certificate } = files
    return {
      rootPem,
      token: files.token === null ? null : (await text(files.token, 'ERR_DISCOVERY_TOKEN', 'token')).trim(),
      certificate:
        certificate === null
          ? null
          : {
              chainPem: await text(certificate.chain, 'ERR_DISCOVERY_CERTIFICATE', 'certificate'),
              keyPem: await text(certificate.key, 'ERR_DISCOVERY_CERTIFICATE', 'key'),
            },
    }
  }
}

async function text(path: string, code: DiscoveryErrorCode, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    const mend = 'mount the file and let this user read it'
    throw new DiscoveryError(code, `${what} ${path} cannot be read (${reason})`, mend, { cause: error })
  }
}
