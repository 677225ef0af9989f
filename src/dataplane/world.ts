/**
 * A snapshot compiled to lookups: what one request or connection reads, all of one generation. Built aside, swapped by
 * one pointer; nothing in it changes afterwards but the endpoints' in-flight counts.
 */
import { isDeepStrictEqual } from 'node:util'
import { compileInSteps } from '../authz/compile.ts'
import type { CompiledPolicy } from '../authz/compiled-policy.ts'
import { Routes } from '../cluster/route.ts'
import type { InboundPort, Snapshot } from '../discovery/snapshot.ts'
import type { Provider } from '../ext-authz/provider.ts'
import type { AuthorizerSet, ExtAuthzProviders } from '../ext-authz/providers.ts'
import { routedAuthorizers } from '../ext-authz/routed-authorizer.ts'
import type { RoutedAuthorizers } from '../ext-authz/routed-authorizer.ts'
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
  /** Whom CUSTOM policies ask. */
  readonly authorizers: AuthorizerSet
}

export interface WorldParts {
  readonly keyRing: KeyRing
  readonly authorizers: ExtAuthzProviders
  readonly routed: RoutedAuthorizers
}

/**
 * `previous` lends what is compiled from equal parts, and endpoints that did not change, with their counts and pools; it
 * stays as it is until the last step.
 */
export function* buildWorld(snapshot: Snapshot, previous: World | null, parts: WorldParts): Steps<World> {
  const { generation, mesh, requestAuthentications, tokenRefusals } = snapshot
  const now = snapshot.parts
  const before = previous?.snapshot.parts
  const routes =
    previous !== null && before?.routing === now.routing
      ? previous.routes
      : yield* Routes.buildInSteps(snapshot, previous?.routes)
  const authorizers = parts.authorizers.plan(mesh.extensionProviders, routedAuthorizers(routes, parts.routed))
  yield
  // Whom CUSTOM policies may ask is compiled into them, and a service that goes or comes may change that.
  const samePolicy =
    before?.policy === now.policy && isDeepStrictEqual(previous?.authorizers.kinds, authorizers.kinds)
  const { httpPolicy, tcpPolicy } =
    previous !== null && samePolicy ? previous : yield* compilePolicies(snapshot, authorizers)
  // Equal rules keep their verifier, and with it what it has verified.
  const tokens =
    previous !== null && before?.tokens === now.tokens
      ? previous.tokens
      : new RequestAuthenticationVerifier(requestAuthentications, tokenRefusals, parts.keyRing)
  yield
  const ports = new Map(snapshot.inboundPorts.map((port) => [port.port, port]))
  return { snapshot, generation, httpPolicy, tcpPolicy, routes, ports, tokens, authorizers }
}

function* compilePolicies(
  { mesh, authorizationPolicies }: Snapshot,
  { kinds }: AuthorizerSet,
): Steps<Pick<World, 'httpPolicy' | 'tcpPolicy'>> {
  const { trustDomain, trustDomainAliases } = mesh
  const options = { trustDomain, trustDomainAliases, providers: kinds }
  return {
    httpPolicy: yield* compileInSteps(authorizationPolicies, { ...options, protocol: 'http' }),
    tcpPolicy: yield* compileInSteps(authorizationPolicies, { ...options, protocol: 'tcp' }),
  }
}

/** Whether connections that one world admits may be refused by the other. */
export function judgesAlike(world: World, other: World): boolean {
  const modes = ({ snapshot: { inboundPorts, defaultMtls } }: World): string =>
    JSON.stringify([inboundPorts, defaultMtls])
  return (
    world.httpPolicy === other.httpPolicy &&
    askedAuthorizer(world) === askedAuthorizer(other) &&
    (world.tokens === other.tokens || (!world.tokens.demanding && !other.tokens.demanding)) &&
    modes(world) === modes(other)
  )
}

/** Whom the workload's CUSTOM policies ask: there is one authorizer at most (policy-semantics §9.1). */
export function askedAuthorizer({ httpPolicy, authorizers }: World): Provider | null {
  const rule = httpPolicy.custom.rules[0]?.custom ?? null
  if (rule === null || rule.refusal !== null) return null
  const found = authorizers.find(rule.provider)
  return found.ok ? found.provider : null
}

/** Whether a peer without mTLS is not served on a port (any more). */
export function refusesPlaintext(world: World, port: number): boolean {
  return inboundPort(world, port).mtls === 'STRICT'
}

/**
 * Whether a connection that is not read as HTTP would escape a legacy policy that demands a token of each request. On
 * ports declared TCP or TLS there are no requests, and origins never were asked for (policy-semantics §7).
 */
export function escapesOrigins(world: World, port: number): boolean {
  const { protocol } = inboundPort(world, port)
  return protocol !== 'tcp' && protocol !== 'tls' && world.tokens.demandsRequests(port)
}

/** How a workload port is served: as declared, or undeclared with the workload's default mode. */
export function inboundPort(world: World, port: number): InboundPort {
  return world.ports.get(port) ?? { port, protocol: 'auto', mtls: world.snapshot.defaultMtls, service: null }
}
