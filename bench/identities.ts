/**
 * Certificates for the proxies that have no certificate authority of their own: SPIFFE names as ours get them, and a DNS
 * name for those that can only check that. Written as files, 0600.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createTestCa } from '../test/support/test-ca.ts'
import type { ClientPair } from './load/window.ts'

export interface Identities {
  readonly rootFile: string
  readonly client: IdentityFiles
  readonly server: IdentityFiles
}

export interface IdentityFiles extends ClientPair {
  readonly certificateFile: string
  readonly keyFile: string
  /** Certificate and key in one file, as HAProxy reads them. */
  readonly bundleFile: string
  readonly uri: string
}

export const clientAccount = 'client'
export const serverAccount = 'server'
export const namespace = 'bench'
export const trustDomain = 'cluster.local'
export const serviceHost = 'server.bench.svc.cluster.local'

export const spiffeUri = (account: string): string => `spiffe://${trustDomain}/ns/${namespace}/sa/${account}`

export async function writeIdentities(folder: string): Promise<Identities> {
  const ca = await createTestCa({ trustDomain })
  const rootFile = join(folder, 'root.pem')
  await writeFile(rootFile, ca.rootPem)
  const write = async (account: string, dns: readonly string[]): Promise<IdentityFiles> => {
    const { certificateChain, privateKey } = await ca.svid(namespace, account, { dns })
    const files = {
      certificateFile: join(folder, `${account}.pem`),
      keyFile: join(folder, `${account}.key`),
      bundleFile: join(folder, `${account}.bundle.pem`),
    }
    await writeFile(files.certificateFile, certificateChain)
    await writeFile(files.keyFile, privateKey, { mode: 0o600 })
    await writeFile(files.bundleFile, certificateChain + privateKey, { mode: 0o600 })
    return { ...files, certificate: certificateChain, key: privateKey, uri: spiffeUri(account) }
  }
  return {
    rootFile,
    client: await write(clientAccount, []),
    server: await write(serverAccount, [serviceHost]),
  }
}
