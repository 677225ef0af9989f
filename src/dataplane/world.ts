/**
 * A snapshot compiled to lookups: what one request or connection reads, all of one generation. Built aside, swapped by
 * one pointer; nothing in it changes afterwards but the endpoints' in-flight counts.
 */
import { compile } from '../authz/compile.ts'
import type { CompiledPolicy } from '../authz/compiled-policy.ts'
import { Routes } from '../cluster/route.ts'
import type { InboundPort, Snapshot } from '../discovery/snapshot.ts'
import type { KeyRing } from '../jwt/key-ring.ts'
import { RequestAuthenticationVerifier } from '../jwt/request-authentication-verifier.ts'

export interface World {
  readonly snapshot: Snapshot
  readonly generation: number
  /** Judges requests of HTTP chains. */
  readonly httpPolicy: CompiledPolicy
  /** Judges opaque connections: HTTP-only fields mean what policy-semantics §3.1 says. */
  readonly tcpPolicy: CompiledPolicy
  readonly routes: Routes
  readonly ports: ReadonlyMap<number, InboundPort>
  /** Verifies end-user tokens; refuses them where a rule could not be read. */
  readonly tokens: RequestAuthenticationVerifier
}

/** `previous` lends endpoints that did not change, with their counts and pools. */
export function buildWorld(snapshot: Snapshot, previous: World | null, keyRing: KeyRing): World {
  const { mesh } = snapshot
  const trust = { trustDomain: mesh.trustDomain, trustDomainAliases: mesh.trustDomainAliases }
  return {
    snapshot,
    generation: snapshot.generation,
    httpPolicy: compile(snapshot.authorizationPolicies, { ...trust, protocol: 'http' }),
    tcpPolicy: compile(snapshot.authorizationPolicies, { ...trust, protocol: 'tcp' }),
    routes: Routes.build(snapshot, previous?.routes),
    ports: new Map(snapshot.inboundPorts.map((port) => [port.port, port])),
    tokens: tokenVerifier(snapshot, previous, keyRing),
  }
}

/** Equal rules keep their verifier, and with it what it has verified. */
function tokenVerifier(
  snapshot: Snapshot,
  previous: World | null,
  keyRing: KeyRing,
): RequestAuthenticationVerifier {
  const { requestAuthentications, tokenRefusals } = snapshot
  const same =
    previous !== null &&
    JSON.stringify([requestAuthentications, tokenRefusals]) ===
      JSON.stringify([previous.snapshot.requestAuthentications, previous.snapshot.tokenRefusals])
  return same
    ? previous.tokens
    : new RequestAuthenticationVerifier(requestAuthentications, tokenRefusals, keyRing)
}

/** Whether a peer without mTLS is not served on a port (any more). */
export function refusesPlaintext(world: World, port: number): boolean {
  return inboundPort(world, port).mtls === 'STRICT'
}

/** How a workload port is served: as declared, or undeclared with the workload's default mode. */
export function inboundPort(world: World, port: number): InboundPort {
  return world.ports.get(port) ?? { port, protocol: 'auto', mtls: world.snapshot.defaultMtls, service: null }
}
