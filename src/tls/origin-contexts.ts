/**
 * Contexts for TLS to servers outside the mesh, from the files a DestinationRule names (policy-semantics §4.6). Files
 * are looked at again after a while, so that a rotated one is taken up; contexts are kept while the text is the same.
 */
import { readFileSync } from 'node:fs'
import { createSecureContext, getCACertificates } from 'node:tls'
import type { SecureContext } from 'node:tls'
import type { Clock } from '../lifecycle/clock.ts'
import type { ClientTlsSettings } from '../policy/destination-rule.ts'
import { clientSuites, groups, suiteList } from './cipher-suites.ts'

export type OriginContext =
  { readonly ok: true; readonly context: SecureContext } | { readonly ok: false; readonly reason: string }

interface Kept {
  readonly text: string
  readonly context: SecureContext
  checkedAt: number
}

const recheckMs = 10_000
const mostContexts = 256

export class OriginContexts {
  readonly #clock: Clock
  readonly #read: (path: string) => string
  readonly #kept = new Map<string, Kept>()

  constructor(clock: Clock, read: (path: string) => string = (path) => readFileSync(path, 'utf8')) {
    this.#clock = clock
    this.#read = read
  }

  /** `withCertificate`: present the client certificate (MUTUAL). */
  get(settings: ClientTlsSettings | null, withCertificate: boolean): OriginContext {
    if (settings !== null && settings.credentialName !== null) {
      return { ok: false, reason: 'credentialName is not supported by a sidecar: name files instead' }
    }
    const paths = {
      cert: withCertificate ? (settings?.clientCertificate ?? null) : null,
      key: withCertificate ? (settings?.privateKey ?? null) : null,
      ca: settings?.caCertificates ?? null,
      crl: settings?.caCrl ?? null,
    }
    if (withCertificate && (paths.cert === null || paths.key === null)) {
      return { ok: false, reason: 'MUTUAL without clientCertificate and privateKey' }
    }
    const name = JSON.stringify(paths)
    const kept = this.#kept.get(name)
    if (kept !== undefined && this.#clock.now() - kept.checkedAt < recheckMs)
      return { ok: true, context: kept.context }
    const files: Record<string, string> = {}
    for (const [part, path] of Object.entries(paths)) {
      if (path === null) continue
      try {
        files[part] = this.#read(path)
      } catch {
        return { ok: false, reason: `cannot read ${path}` }
      }
    }
    return this.#keep(name, kept, files)
  }

  #keep(name: string, kept: Kept | undefined, files: Record<string, string>): OriginContext {
    const text = JSON.stringify(files)
    if (kept?.text === text) {
      kept.checkedAt = this.#clock.now()
      return { ok: true, context: kept.context }
    }
    try {
      const context = createSecureContext({
        ...files,
        ca: files['ca'] ?? systemRoots(),
        minVersion: 'TLSv1.2',
        maxVersion: 'TLSv1.3',
        ciphers: suiteList(clientSuites),
        ecdhCurve: groups,
      })
      this.#kept.delete(name)
      this.#kept.set(name, { text, context, checkedAt: this.#clock.now() })
      if (this.#kept.size > mostContexts) this.#kept.delete(this.#kept.keys().next().value as string)
      return { ok: true, context }
    } catch (error) {
      const { code } = error as { code?: string }
      return { ok: false, reason: `the TLS library refuses the files of ${name}: ${code ?? 'unknown'}` }
    }
  }
}

/** The machine's roots; the runtime's own list only where the machine has none. */
function systemRoots(): string[] {
  const system = getCACertificates('system')
  return system.length > 0 ? system : getCACertificates('bundled')
}
