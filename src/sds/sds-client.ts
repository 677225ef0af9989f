/**
 * The proxy's source of secrets: follows a certificate and a trust bundle on an SDS server and gives them as one whole
 * SecretSet. It never drops a good secret for a bad one or for a lost server, and it makes none.
 */
import { checkSecrets } from '../identity/own-svid.ts'
import type { SecretSet } from '../identity/svid.ts'
import { Latest } from '../lifecycle/latest.ts'
import type { AnyMessage } from '../proto/discovery-messages.ts'
import { BadSecret, readSecret } from './secret.ts'
import type { BundleSecret, CertificateSecret } from './secret.ts'
import { SdsSubscription } from './sds-subscription.ts'
import type { SubscriptionDeps } from './sds-subscription.ts'

export interface SdsClientOptions {
  readonly socketPath: string
  /** Node id (dataplane §10.2) and cluster; servers refuse streams without an id. */
  readonly nodeId: string
  readonly cluster?: string
  /** `default` when absent. */
  readonly certificateName?: string
  /** `ROOTCA` when absent; SPIRE's `ALL` brings the federated domains too. */
  readonly bundleName?: string
}

export class SdsClient {
  /** Set only with secrets that belong together; each one replaces the last whole. */
  readonly secrets = new Latest<SecretSet>()
  readonly #deps: SubscriptionDeps
  readonly #subscriptions: readonly SdsSubscription[]
  #certificate: CertificateSecret | null = null
  #bundle: BundleSecret | null = null

  private constructor(deps: SubscriptionDeps, options: SdsClientOptions) {
    this.#deps = deps
    const { socketPath, nodeId, cluster = '', certificateName = 'default', bundleName = 'ROOTCA' } = options
    const node = { id: nodeId, cluster, user_agent_name: 'sallyport' }
    // One stream a name, as Envoy does: each has its own version and nonce.
    this.#subscriptions = [bundleName, certificateName].map(
      (name) =>
        new SdsSubscription(deps, {
          socketPath,
          node,
          name,
          take: (resource) => this.#take(resource, name, certificateName),
        }),
    )
  }

  /** Returns at once; `secrets.first(signal)` resolves when there is a complete set. */
  static start(deps: SubscriptionDeps, options: SdsClientOptions): SdsClient {
    return new SdsClient(deps, options)
  }

  /** Plain counts since the start, over both names. */
  get counters(): { accepted: number; refused: number; connects: number } {
    const total = { accepted: 0, refused: 0, connects: 0 }
    for (const { counters } of this.#subscriptions) {
      total.accepted += counters.accepted
      total.refused += counters.refused
      total.connects += counters.connects
    }
    return total
  }

  /** The last good secrets stay in `secrets`. May be called twice. */
  close(): void {
    for (const subscription of this.#subscriptions) subscription.close()
  }

  async #take(resource: AnyMessage, name: string, certificateName: string): Promise<string | null> {
    const now = this.#deps.clock.now()
    const secret = await readSecret(resource, now)
    if (secret instanceof BadSecret) return secret.reason
    const wanted = name === certificateName ? 'certificate' : 'bundle'
    if (secret.kind !== wanted) return `the secret named ${name} is no ${wanted}`
    if (secret.kind === 'bundle' && secret.hasCrl) {
      this.#deps.log.warn('the revocation list beside the trust bundle is not read', { name })
    }
    const certificate = secret.kind === 'certificate' ? secret : this.#certificate
    const bundle = secret.kind === 'bundle' ? secret : this.#bundle
    if (certificate !== null && bundle !== null) {
      const whole = join(certificate, bundle)
      const checked = checkSecrets(whole, now)
      // An expired certificate already in force is not the new bundle's fault.
      if (!checked.ok && secret.kind === 'certificate') return checked.reason
      if (!same(this.secrets.value, whole)) this.secrets.set(whole)
    }
    this.#certificate = certificate
    this.#bundle = bundle
    return null
  }
}

function join(certificate: CertificateSecret, bundle: BundleSecret): SecretSet {
  const { certificateChain, privateKey, trustDomain } = certificate
  const trustBundles = bundle.own === null ? bundle.byDomain : { [trustDomain]: bundle.own }
  return Object.freeze({ certificateChain, privateKey, trustBundles: Object.freeze({ ...trustBundles }) })
}

function same(before: SecretSet | undefined, after: SecretSet): boolean {
  return before !== undefined && JSON.stringify(before) === JSON.stringify(after)
}
