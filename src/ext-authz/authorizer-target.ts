/** Where an authorizer is, as whoever knows the services says it; the shapes are filled in by the caller. */
import type { Socket } from 'node:net'

/** How a connected socket becomes a protected one. */
export interface Protection {
  /** Connections are shared among targets of equal place and equal key; a change of trust is a change of key. */
  readonly key: string
  /** Rejects when the peer is not who it should be; no byte of a check was sent then. */
  readonly protect: (socket: Socket, alpn: 'h2' | 'http/1.1') => Promise<Socket>
}

export interface AuthorizerTarget {
  /** IP text, or a host name to be resolved on connecting. */
  readonly address: string
  readonly port: number
  /** Null = plaintext. */
  readonly protection: Protection | null
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
