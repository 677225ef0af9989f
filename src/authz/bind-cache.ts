/**
 * What was worked out for connections that look alike to the policies in force, so that a peer which reconnects costs
 * nothing. Bounded: peers choose how many kinds of connection there are. It judges nothing.
 */
import type { AddressClasses } from './address-classes.ts'
import type { ConnectionContext } from './request-context.ts'
import type { BoundRules } from './rule-set.ts'

/** All rule sets on one kind of connection. */
export interface BoundSets {
  readonly custom: BoundRules
  readonly audit: BoundRules
  readonly verdict: BoundRules
  readonly shadowDeny: BoundRules
  readonly shadowAllow: BoundRules
}

/** What policy looks at; what it does not look at makes no difference between connections. */
export interface Asked {
  readonly identity: boolean
  readonly port: boolean
  readonly sni: boolean
  /** By the blocks named for the source and for the destination. */
  readonly sources: AddressClasses
  readonly destinations: AddressClasses
}

const most = 1024

export class BindCache {
  readonly #asked: Asked
  readonly #bound = new Map<string, BoundSets>()

  constructor(asked: Asked) {
    this.#asked = asked
  }

  /** Kinds of connection remembered. */
  get size(): number {
    return this.#bound.size
  }

  /** Another kind would push one out. */
  get full(): boolean {
    return this.#bound.size >= most
  }

  get(connection: ConnectionContext, make: () => BoundSets): BoundSets {
    const key = this.#keyOf(connection)
    const known = this.#bound.get(key)
    if (known !== undefined) return known
    const made = make()
    if (this.#bound.size >= most) {
      const [oldest] = this.#bound.keys()
      if (oldest !== undefined) this.#bound.delete(oldest)
    }
    this.#bound.set(key, made)
    return made
  }

  /** For the next connection that looks like this one to be worked out anew. */
  forget(connection: ConnectionContext): void {
    this.#bound.delete(this.#keyOf(connection))
  }

  /** A URI holds no blank, so the parts cannot run into each other; the SNI comes last. */
  #keyOf({ principalUri, sourceIp, destinationIp, destinationPort, sni }: ConnectionContext): string {
    const { identity, port, sni: name, sources, destinations } = this.#asked
    const source = sources.of(sourceIp)
    const destination = destinations.of(destinationIp)
    const numbers = `${source} ${destination} ${port ? destinationPort : 0}`
    return `${numbers} ${identity ? principalUri : ''} ${name ? sni : ''}`
  }
}
