/**
 * Everything that applies to one workload, compiled once and remembered by namespace and labels. It judges nothing; what
 * compiles here is what a data thread compiles.
 */
import { applicableAuthentications, applicablePolicies, reaches } from '../../authz/applicable.ts'
import { compile } from '../../authz/compile.ts'
import type { CompiledPolicy } from '../../authz/compiled-policy.ts'
import type { DecodedConfig } from '../../discovery/build-snapshot.ts'
import type { Snapshot } from '../../discovery/snapshot.ts'
import type { AuthorizerSet } from '../../ext-authz/providers.ts'
import type { KeyRing } from '../../jwt/key-ring.ts'
import { RequestAuthenticationVerifier } from '../../jwt/request-authentication-verifier.ts'
import { tokenRules, type TokenRules } from '../../jwt/token-rules.ts'
import type { AuthorizationPolicy } from '../../policy/authorization-policy.ts'
import type { MeshConfig } from '../../policy/mesh-config.ts'
import type { EffectiveMtls } from '../../policy/peer-authentication.ts'
import { peerMode } from '../../policy/peer-mode.ts'
import type { RequestAuthentication } from '../../policy/request-authentication.ts'
import { offlineAuthorizers } from './offline-authorizers.ts'
import type { AskedWorkload } from './question.ts'

type Applied = Pick<Snapshot, 'authorizationPolicies' | 'requestAuthentications' | 'tokenRefusals'>

/** What `buildSnapshot` cuts from a folder for one workload, without hashing it: nobody compares these. */
function appliedTo(config: DecodedConfig, workload: AskedWorkload): Applied {
  const { rootNamespace } = config.mesh
  return {
    authorizationPolicies: applicablePolicies(config.authorizationPolicies, workload, rootNamespace),
    requestAuthentications: applicableAuthentications(config.requestAuthentications, workload, rootNamespace),
    tokenRefusals: config.tokenRefusals.filter(({ namespace, selector }) =>
      reaches(namespace, selector, workload, rootNamespace),
    ),
  }
}

export class WorkloadPolicy {
  readonly mesh: MeshConfig
  readonly requestAuthentications: readonly RequestAuthentication[]
  readonly tokens: RequestAuthenticationVerifier
  /** The same rules as decision records know them. */
  readonly tokenRules: TokenRules
  /** Whom CUSTOM policies may name. */
  readonly authorizers: AuthorizerSet
  readonly #policies: readonly AuthorizationPolicy[]
  readonly #modeOf: (port: number) => EffectiveMtls
  readonly #compiled = new Map<'http' | 'tcp', CompiledPolicy>()
  readonly #modes = new Map<number, EffectiveMtls>()

  constructor(config: DecodedConfig, asked: AskedWorkload, ring: KeyRing) {
    const { authorizationPolicies, requestAuthentications, tokenRefusals } = appliedTo(config, asked)
    const { mesh, peerAuthentications } = config
    const { namespace, labels } = asked
    this.mesh = mesh
    this.authorizers = offlineAuthorizers(config, namespace)
    this.requestAuthentications = requestAuthentications
    this.tokens = new RequestAuthenticationVerifier(requestAuthentications, tokenRefusals, ring)
    this.tokenRules = tokenRules(requestAuthentications, tokenRefusals)
    this.#policies = authorizationPolicies
    this.#modeOf = (port) => peerMode(peerAuthentications, namespace, labels, port, mesh.rootNamespace)
  }

  policy(protocol: 'http' | 'tcp'): CompiledPolicy {
    const known = this.#compiled.get(protocol)
    if (known !== undefined) return known
    const { trustDomain, trustDomainAliases } = this.mesh
    const providers = this.authorizers.kinds
    const made = compile(this.#policies, { trustDomain, trustDomainAliases, protocol, providers })
    this.#compiled.set(protocol, made)
    return made
  }

  mtls(port: number): EffectiveMtls {
    const known = this.#modes.get(port)
    if (known !== undefined) return known
    const mode = this.#modeOf(port)
    this.#modes.set(port, mode)
    return mode
  }
}

/** Workloads held compiled at once; the one compiled longest ago goes first. */
const mostHeld = 1024

export class WorkloadPolicies {
  readonly #config: DecodedConfig
  readonly #ring: KeyRing
  readonly #held = new Map<string, WorkloadPolicy>()

  constructor(config: DecodedConfig, ring: KeyRing) {
    this.#config = config
    this.#ring = ring
  }

  of(workload: AskedWorkload): WorkloadPolicy {
    const { namespace, labels } = workload
    const pairs = Object.entries(labels)
    // One order for all spellings of the same labels.
    if (pairs.length > 1) pairs.sort(([x], [y]) => (x < y ? -1 : 1))
    const key = JSON.stringify([namespace, pairs])
    const known = this.#held.get(key)
    if (known !== undefined) return known
    const made = new WorkloadPolicy(this.#config, workload, this.#ring)
    if (this.#held.size >= mostHeld) this.#held.delete(this.#held.keys().next().value as string)
    this.#held.set(key, made)
    return made
  }
}
