/**
 * The authorizers of the MeshConfig in force, by name: built anew with each snapshot, where equal settings keep their
 * connections and counts. A provider that is wrong or unknown is a bad one: nobody is asked, what would ask it is denied.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../lifecycle/clock.ts'
import type { Log } from '../lifecycle/log.ts'
import type { AuthorizerSettings } from '../policy/extension-provider.ts'
import type { ExtensionProvider } from '../policy/mesh-config.ts'
import type { ResolveAuthorizer } from './authorizer-target.ts'
import type { Ask } from './provider.ts'
import { Provider } from './provider.ts'

/** `reason` may be shown to operators; it quotes settings, never headers. */
export type FoundProvider =
  { readonly ok: true; readonly provider: Provider } | { readonly ok: false; readonly reason: string }

export class ExtAuthzProviders {
  readonly #clock: Clock
  readonly #log: Log
  #byName: ReadonlyMap<string, FoundProvider> = new Map()
  #closed = false

  constructor(deps: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = deps.clock
    this.#log = deps.log
  }

  /** Providers that went are closed once their checks are over. */
  update(configured: readonly ExtensionProvider[], resolve: ResolveAuthorizer): void {
    if (this.#closed) return
    const before = this.#byName
    const next = new Map<string, FoundProvider>()
    for (const each of configured) next.set(each.name, this.#build(each, resolve, before.get(each.name)))
    this.#byName = next
    for (const [name, found] of before) {
      if (!found.ok) continue
      const now = next.get(name)
      if (now?.ok !== true || now.provider !== found.provider) void found.provider.retire()
    }
  }

  find(name: string): FoundProvider {
    return this.#byName.get(name) ?? { ok: false, reason: 'no such extension provider' }
  }

  /** Of the good ones; for `compile`, to which any other name is a bad provider. */
  get kinds(): ReadonlyMap<string, 'http' | 'grpc'> {
    const kinds = new Map<string, 'http' | 'grpc'>()
    for (const [name, found] of this.#byName) if (found.ok) kinds.set(name, found.provider.settings.kind)
    return kinds
  }

  /** Name and what is known about it, for status pages and metrics. */
  get all(): ReadonlyMap<string, FoundProvider> {
    return this.#byName
  }

  /** May be called twice. */
  async close(): Promise<void> {
    this.#closed = true
    const all = [...this.#byName.values()]
    this.#byName = new Map()
    await Promise.all(all.map((found) => (found.ok ? found.provider.close() : undefined)))
  }

  #build(
    configured: ExtensionProvider,
    resolve: ResolveAuthorizer,
    before: FoundProvider | undefined,
  ): FoundProvider {
    const { name, authorizer } = configured
    if (authorizer === undefined || authorizer === null) return bad('is of a kind that authorizes nothing')
    if (!authorizer.ok) return this.#refused(name, authorizer.reason, before)
    const { settings } = authorizer
    const { host, namespace } = settings.service
    const places = resolve(host, namespace, settings.port)
    if (places === null)
      return this.#refused(name, `no known service ${host} with port ${settings.port}`, before)
    if (before?.ok === true && isDeepStrictEqual(before.provider.settings, settings)) {
      before.provider.places = places
      return before
    }
    return { ok: true, provider: new Provider(settings, places, this.#clock, this.#load) }
  }

  #refused(name: string, reason: string, before: FoundProvider | undefined): FoundProvider {
    const news = before === undefined || before.ok || before.reason !== reason
    if (news) this.#log.warn('an extension provider cannot be asked: its CUSTOM rules deny', { name, reason })
    return bad(reason)
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

function bad(reason: string): FoundProvider {
  return { ok: false, reason }
}
