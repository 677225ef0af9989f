/** Where an authorizer is, as whoever knows the services says it; the two shapes are filled in by the caller. */
import type { Socket } from 'node:net'

export interface AuthorizerTarget {
  /** IP text, or a host name to be resolved on connecting. */
  readonly address: string
  readonly port: number
  /** Makes a connected socket a protected one, or rejects; null = plaintext. Equal targets share connections by it. */
  readonly secure: ((socket: Socket, alpn: 'h2' | 'http/1.1') => Promise<Socket>) | null
}

/** A known service: asked for a place at every check, null when it has none just now. */
export interface AuthorizerPlaces {
  pick(): AuthorizerTarget | null
}

/** Null = no such service or port: the provider is a bad one (policy-semantics §9.1). */
export type ResolveAuthorizer = (
  host: string,
  namespace: string | null,
  port: number,
) => AuthorizerPlaces | null
