/**
 * The TLS contexts of one worker: built from a whole set of secrets and swapped as one, key, chain and trust together
 * (dataplane trap 16). It makes no handshake; a set that cannot be used leaves the one in force (trap 17).
 */
import { createHash, constants, randomBytes } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { SecureContext, SecureContextOptions } from 'node:tls'
import { checkSecrets } from '../identity/own-svid.ts'
import type { OwnSvid } from '../identity/own-svid.ts'
import type { SecretSet } from '../identity/svid.ts'
import type { TrustBundles } from '../identity/trust-bundle.ts'
import { systemClock } from '../lifecycle/clock.ts'
import type { Clock } from '../lifecycle/clock.ts'
import { Acceptor } from './acceptor.ts'
import { clientSuites, groups, serverSuites, suiteList } from './cipher-suites.ts'
import type { MinTlsVersion } from './cipher-suites.ts'
import { OriginContexts } from './origin-contexts.ts'
import { SessionCache } from './session-cache.ts'

export interface TlsContextsOptions {
  readonly minVersion: MinTlsVersion
  /** TLS 1.2 suites of the server, OpenSSL names; empty = Istio's six. */
  readonly cipherSuites: readonly string[]
  readonly clock?: Clock
  /** Text of a PEM file that a DestinationRule names. */
  readonly readFile?: (path: string) => string
}

/** Everything made from one set of secrets; a handshake holds on to the one it began with. */
export interface TlsGeneration {
  readonly number: number
  readonly svid: OwnSvid
  readonly acceptor: Acceptor
  readonly client: SecureContext
  readonly sessions: SessionCache
}

export type Update =
  { readonly ok: true; readonly changed: boolean } | { readonly ok: false; readonly reason: string }

export class TlsContexts {
  #options: TlsContextsOptions
  #secrets: SecretSet | null = null
  readonly clock: Clock
  /** Contexts for servers outside the mesh (SIMPLE, MUTUAL). */
  readonly origins: OriginContexts
  #current: TlsGeneration | null = null
  #number = 0
  #content = ''

  constructor(options: TlsContextsOptions) {
    this.#options = options
    this.clock = options.clock ?? systemClock
    this.origins = new OriginContexts(this.clock, options.readFile)
  }

  /** 0 before the first usable secrets; one more at each change. */
  get generation(): number {
    return this.#number
  }

  /** Whether mesh handshakes can be made now: there are secrets, and our certificate has not expired. */
  get ready(): boolean {
    return this.current !== null
  }

  /** The generation in force, or null while not ready. */
  get current(): TlsGeneration | null {
    const current = this.#current
    return current !== null && this.clock.now() <= current.svid.notAfter ? current : null
  }

  /** Who our certificate says we are, expired or not: asked for each record, so it looks at no clock. '' before the first. */
  get principal(): string {
    return this.#current?.svid.id.uri ?? ''
  }

  /** The anchors in force, ready or not. */
  get bundles(): TrustBundles | null {
    return this.#current?.svid.bundles ?? null
  }

  /**
   * Versions and suites the mesh asks for now (MeshConfig.meshMTLS): new handshakes obey them. Settings the library
   * refuses leave those in force.
   */
  configure(minVersion: MinTlsVersion, cipherSuites: readonly string[]): Update {
    const before = this.#options
    const same = before.minVersion === minVersion && before.cipherSuites.join() === cipherSuites.join()
    if (same) return { ok: true, changed: false }
    this.#options = { ...before, minVersion, cipherSuites }
    if (this.#secrets === null) return { ok: true, changed: true }
    this.#content = ''
    const update = this.update(this.#secrets)
    if (!update.ok) this.#options = before
    return update
  }

  /** Takes `secrets` over whole, or refuses them whole and keeps what is in force. Equal secrets change nothing. */
  update(secrets: SecretSet): Update {
    const content = digest(secrets)
    if (content === this.#content) return { ok: true, changed: false }
    const checked = checkSecrets(secrets, this.clock.now())
    if (!checked.ok) return checked
    // Equal trust keeps what is already verified; own keys may change under it.
    const before = this.bundles
    const bundles = before?.hash === checked.svid.bundles.hash ? before : checked.svid.bundles
    const svid = { ...checked.svid, bundles }
    try {
      this.#current = this.#build(this.#number + 1, secrets, svid)
    } catch (error) {
      // The library's code is safe to show; its message is not known to be.
      return {
        ok: false,
        reason: `the TLS library refuses our secrets: ${(error as { code?: string }).code ?? 'unknown'}`,
      }
    }
    this.#content = content
    this.#secrets = secrets
    this.#number += 1
    return { ok: true, changed: true }
  }

  #build(number: number, secrets: SecretSet, svid: OwnSvid): TlsGeneration {
    const { minVersion, cipherSuites } = this.#options
    const shared: SecureContextOptions = {
      key: secrets.privateKey,
      cert: secrets.certificateChain,
      // All domains at once: a second opinion. Which domain may vouch for whom is decided by verifySvid.
      ca: svid.bundles.allPem,
      allowPartialTrustChain: true,
      minVersion,
      maxVersion: 'TLSv1.3',
      ecdhCurve: groups,
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    }
    const server = createSecureContext({
      ...shared,
      ciphers: suiteList(cipherSuites.length === 0 ? serverSuites : cipherSuites),
      honorCipherOrder: true,
      // New keys a generation: a ticket of an older one is noise, whatever changed.
      ticketKeys: randomBytes(48),
      sessionTimeout: 300,
      sessionIdContext: createHash('sha256')
        .update(`${svid.bundles.hash} ${svid.id.uri}`)
        .digest('hex')
        .slice(0, 32),
    })
    const client = createSecureContext({ ...shared, ciphers: suiteList(clientSuites) })
    return { number, svid, acceptor: new Acceptor(server), client, sessions: new SessionCache() }
  }
}

function digest({ certificateChain, privateKey, trustBundles }: SecretSet): string {
  const bundles = Object.entries(trustBundles).toSorted(([x], [y]) => (x < y ? -1 : 1))
  return createHash('sha256')
    .update(JSON.stringify([certificateChain, privateKey, bundles]))
    .digest('hex')
}
