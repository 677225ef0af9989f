/**
 * A snapshot compiled to lookups: what one request or connection reads, all of one generation. Built aside, swapped by
 * one pointer; nothing in it changes afterwards but the endpoints' in-flight counts.
 */
import { compileInSteps } from '../authz/compile.ts'
import type { CompiledPolicy } from '../authz/compiled-policy.ts'
import { Routes } from '../cluster/route.ts'
import type { InboundPort, Snapshot } from '../discovery/snapshot.ts'
import type { KeyRing } from '../jwt/key-ring.ts'
import { RequestAuthenticationVerifier } from '../jwt/request-authentication-verifier.ts'
import type { Steps } from '../lifecycle/steps.ts'

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

/**
 * `previous` lends what is compiled from equal parts, and endpoints that did not change, with their counts and pools; it
 * stays as it is until the last step.
 */
export function* buildWorld(snapshot: Snapshot, previous: World | null, keyRing: KeyRing): Steps<World> {
  const { generation, parts, requestAuthentications, tokenRefusals } = snapshot
  const before = previous?.snapshot.parts
  const { httpPolicy, tcpPolicy } =
    previous !== null && before?.policy === parts.policy ? previous : yield* compilePolicies(snapshot)
  // Equal rules keep their verifier, and with it what it has verified.
  const tokens =
    previous !== null && before?.tokens === parts.tokens
      ? previous.tokens
      : new RequestAuthenticationVerifier(requestAuthentications, tokenRefusals, keyRing)
  yield
  const routes =
    previous !== null && before?.routing === parts.routing
      ? previous.routes
      : yield* Routes.buildInSteps(snapshot, previous?.routes)
  const ports = new Map(snapshot.inboundPorts.map((port) => [port.port, port]))
  return { snapshot, generation, httpPolicy, tcpPolicy, routes, ports, tokens }
}

function* compilePolicies(snapshot: Snapshot): Steps<Pick<World, 'httpPolicy' | 'tcpPolicy'>> {
  const { mesh, authorizationPolicies } = snapshot
  const trust = { trustDomain: mesh.trustDomain, trustDomainAliases: mesh.trustDomainAliases }
  return {
    httpPolicy: yield* compileInSteps(authorizationPolicies, { ...trust, protocol: 'http' }),
    tcpPolicy: yield* compileInSteps(authorizationPolicies, { ...trust, protocol: 'tcp' }),
  }
}

/** Whether connections that one world admits may be refused by the other. */
export function judgesAlike(world: World, other: World): boolean {
  const modes = ({ snapshot: { inboundPorts, defaultMtls } }: World): string =>
    JSON.stringify([inboundPorts, defaultMtls])
  return world.httpPolicy === other.httpPolicy && modes(world) === modes(other)
}

/** Whether a peer without mTLS is not served on a port (any more). */
export function refusesPlaintext(world: World, port: number): boolean {
  return inboundPort(world, port).mtls === 'STRICT'
}

/** How a workload port is served: as declared, or undeclared with the workload's default mode. */
export function inboundPort(world: World, port: number): InboundPort {
  return world.ports.get(port) ?? { port, protocol: 'auto', mtls: world.snapshot.defaultMtls, service: null }
}
