/**
 * Everything that applies to one workload, compiled once and remembered by namespace and labels. It judges nothing; what
 * compiles here is what a data thread compiles.
 */
import { compile } from '../../authz/compile.ts'
import type { CompiledPolicy } from '../../authz/compiled-policy.ts'
import { buildSnapshot } from '../../discovery/build-snapshot.ts'
import type { DecodedConfig } from '../../discovery/build-snapshot.ts'
import type { Snapshot } from '../../discovery/snapshot.ts'
import type { KeyRing } from '../../jwt/key-ring.ts'
import { RequestAuthenticationVerifier } from '../../jwt/request-authentication-verifier.ts'
import type { EffectiveMtls } from '../../policy/peer-authentication.ts'
import { peerMode } from '../../policy/peer-mode.ts'
import type { AskedWorkload } from './question.ts'

export class WorkloadPolicy {
  readonly snapshot: Snapshot
  readonly tokens: RequestAuthenticationVerifier
  readonly #compiled = new Map<'http' | 'tcp', CompiledPolicy>()
  readonly #modes = new Map<number, EffectiveMtls>()

  constructor(config: DecodedConfig, asked: AskedWorkload, ring: KeyRing) {
    const workload = { ...asked, serviceAccount: '', addresses: [] }
    // Services do not bear on the verdict and are the greater part of a folder.
    this.snapshot = buildSnapshot({ ...config, services: [], destinationRules: [] }, workload, null)
    const { requestAuthentications, tokenRefusals } = this.snapshot
    this.tokens = new RequestAuthenticationVerifier(requestAuthentications, tokenRefusals, ring)
  }

  policy(protocol: 'http' | 'tcp'): CompiledPolicy {
    const known = this.#compiled.get(protocol)
    if (known !== undefined) return known
    const { mesh, authorizationPolicies } = this.snapshot
    const { trustDomain, trustDomainAliases } = mesh
    const made = compile(authorizationPolicies, { trustDomain, trustDomainAliases, protocol })
    this.#compiled.set(protocol, made)
    return made
  }

  mtls(port: number): EffectiveMtls {
    const known = this.#modes.get(port)
    if (known !== undefined) return known
    const { mesh, workload, peerAuthentications } = this.snapshot
    const { namespace, labels } = workload
    const mode = peerMode(peerAuthentications, namespace, labels, port, mesh.rootNamespace)
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
