/** The file of `--jwks-ca`, read and looked at once before anything starts; how its roots are used is the HTTP client's work. */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { BootstrapError } from '../bootstrap/bootstrap-error.ts'

const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** PEM; null without a file. A file with nothing to trust in it would mean trusting nobody, or everybody by mistake. */
export async function keyServerRoots(file: string | null): Promise<string | null> {
  if (file === null) return null
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw refused(file, `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`)
  })
  const found = text.match(certificate) ?? []
  if (found.length === 0) throw refused(file, 'holds no PEM certificate')
  for (const pem of found) {
    try {
      new X509Certificate(pem)
    } catch {
      throw refused(file, 'holds a certificate that cannot be read')
    }
  }
  return found.join('\n')
}

const refused = (file: string, what: string): BootstrapError =>
  new BootstrapError('ERR_BOOTSTRAP_FILE', `--jwks-ca ${file} ${what}`, 'name a file of PEM certificates')
