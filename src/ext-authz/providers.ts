/**
 * The authorizers of the MeshConfig in force, by name: built anew with each snapshot, where equal settings keep their
 * connections and counts. A provider that is wrong or unknown is a bad one: nobody is asked, what would ask it is denied.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../lifecycle/clock.ts'
import type { Log } from '../lifecycle/log.ts'
import type { AuthorizerSettings } from '../policy/extension-provider.ts'
import type { ExtensionProvider } from '../policy/mesh-config.ts'
import type { AuthorizerPlaces, ResolveAuthorizer } from './authorizer-target.ts'
import type { Ask } from './provider.ts'
import { Provider } from './provider.ts'

/** `reason` may be shown to operators; it quotes settings, never headers. */
export type FoundProvider =
  { readonly ok: true; readonly provider: Provider } | { readonly ok: false; readonly reason: string }

/** The authorizers of one generation, by name. */
export class AuthorizerSet {
  /** Name and what is known about it, for status pages and metrics. */
  readonly all: ReadonlyMap<string, FoundProvider>
  /** Where the good ones are found now. */
  readonly places: ReadonlyMap<Provider, AuthorizerPlaces>

  constructor(
    all: ReadonlyMap<string, FoundProvider> = new Map(),
    places: ReadonlyMap<Provider, AuthorizerPlaces> = new Map(),
  ) {
    this.all = all
    this.places = places
  }

  find(name: string): FoundProvider {
    return this.all.get(name) ?? bad('no such extension provider')
  }

  /** Of the good ones; for `compile`, to which any other name is a bad provider. */
  get kinds(): ReadonlyMap<string, 'http' | 'grpc'> {
    const kinds = new Map<string, 'http' | 'grpc'>()
    for (const [name, found] of this.all) if (found.ok) kinds.set(name, found.provider.settings.kind)
    return kinds
  }
}

export class ExtAuthzProviders {
  readonly #clock: Clock
  readonly #log: Log
  #inForce = new AuthorizerSet()
  #closed = false

  constructor(deps: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = deps.clock
    this.#log = deps.log
  }

  get inForce(): AuthorizerSet {
    return this.#inForce
  }

  /** Changes nothing yet: a generation that is compiled may never come into force. */
  plan(configured: readonly ExtensionProvider[], resolve: ResolveAuthorizer): AuthorizerSet {
    const places = new Map<Provider, AuthorizerPlaces>()
    const all = new Map(configured.map((each) => [each.name, this.#build(each, resolve, places)]))
    return new AuthorizerSet(all, places)
  }

  /** Puts a plan in force. Providers that went are closed once their checks are over. */
  use(set: AuthorizerSet): void {
    if (this.#closed) return
    const before = this.#inForce
    this.#inForce = set
    for (const [provider, places] of set.places) provider.places = places
    for (const found of before.all.values())
      if (found.ok && !set.places.has(found.provider)) void found.provider.retire()
    for (const [name, found] of set.all) this.#tell(name, found, before.all.get(name))
  }

  /** May be called twice. */
  async close(): Promise<void> {
    this.#closed = true
    const { all } = this.#inForce
    this.#inForce = new AuthorizerSet()
    await Promise.all([...all.values()].map((found) => (found.ok ? found.provider.close() : undefined)))
  }

  #build(
    { name, authorizer }: ExtensionProvider,
    resolve: ResolveAuthorizer,
    known: Map<Provider, AuthorizerPlaces>,
  ): FoundProvider {
    if (authorizer === undefined || authorizer === null) return bad(noAuthorizer)
    if (!authorizer.ok) return bad(authorizer.reason)
    const { settings } = authorizer
    const { host, namespace } = settings.service
    const places = resolve(host, namespace, settings.port)
    if (places === null) return bad(`no known service ${host} with port ${settings.port}`)
    const before = this.#inForce.find(name)
    const found: FoundProvider =
      before.ok && isDeepStrictEqual(before.provider.settings, settings)
        ? before
        : { ok: true, provider: new Provider(settings, places, this.#clock, this.#load) }
    known.set(found.provider, places)
    return found
  }

  #tell(name: string, found: FoundProvider, before: FoundProvider | undefined): void {
    if (found.ok || found.reason === noAuthorizer) return
    if (before?.ok === false && before.reason === found.reason) return
    this.#log.warn('an extension provider cannot be asked: its CUSTOM rules deny', {
      name,
      reason: found.reason,
    })
  }

  // Proxies without CUSTOM policies never pay for either client.
  readonly #load = async (settings: AuthorizerSettings): Promise<Ask> => {
    if (settings.kind === 'http') {
      const { HttpProvider } = await import('./http-provider.ts')
      return new HttpProvider(settings)
    }
    const { GrpcProvider } = await import('./grpc-provider.ts')
    return new GrpcProvider(settings, () => this.#clock.now())
  }
}

/** Other providers are for logs and traces: nothing is wrong with them. */
const noAuthorizer = 'is of a kind that authorizes nothing'

function bad(reason: string): FoundProvider {
  return { ok: false, reason }
}
