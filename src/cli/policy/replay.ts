/**
 * Judges recorded decisions again by a folder of policy, with the proxy's own engine where the record tells enough, and else by
 * what must be whatever was left out. It guesses nothing: what depends on more than was recorded is undecidable.
 */
import { authorize, bind, custom } from '../../authz/authorize.ts'
import { ConnectionContext } from '../../authz/request-context.ts'
import type { DecodedConfig } from '../../discovery/build-snapshot.ts'
import { KeyRing } from '../../jwt/key-ring.ts'
import { systemClock } from '../../lifecycle/clock.ts'
import type { DigestReader } from '../../telemetry/value-veil.ts'
import { recordedConsent } from './recorded-consent.ts'
import type { Recorded } from './recorded-decision.ts'
import { replayRequest } from './replay-request.ts'
import { decided, refusedFor, undecidable, verdictOf, type Replayed } from './replayed.ts'
import { WorkloadPolicies, type WorkloadPolicy } from './workload-policies.ts'

export class Replay {
  readonly #workloads: WorkloadPolicies
  readonly #digests: DigestReader | null

  /** `digests`: null without the key of the log. */
  constructor(config: DecodedConfig, digests: DigestReader | null) {
    const ring = new KeyRing({ clock: systemClock, refetch: () => undefined })
    this.#workloads = new WorkloadPolicies(config, ring)
    this.#digests = digests
  }

  judge(recorded: Recorded): Replayed {
    const { destinationPort, request, mtls, verdict } = recorded
    const workload = this.#workloads.of(recorded.workload)
    const mode = workload.mtls(destinationPort)
    // What was carried as it came may have been anybody's mutual TLS.
    if (mtls === 'DISABLE' && mode !== 'DISABLE' && request === null) return undecidable(['source.principal'])
    if (mode === 'STRICT' && recorded.principalUri === '') return decided(refusedFor('plaintext_refused'))
    // TLS is not ended on such a port, so nobody's identity is known there.
    const principalUri = mode === 'DISABLE' ? '' : recorded.principalUri
    const connection = new ConnectionContext(
      principalUri,
      recorded.sourceIp,
      recorded.destinationIp,
      destinationPort,
      principalUri === '' ? '' : recorded.sni,
    )
    if (verdict.reason === 'plaintext_refused') return unseen(workload, connection)
    if (request === null && workload.tokens.demandsRequests(destinationPort)) {
      // Refused unless the port is declared to carry no requests, which is not recorded.
      const same = verdict.reason === 'origin_not_shown'
      return same
        ? decided(refusedFor('origin_not_shown'))
        : undecidable(['what the port is declared to carry'])
    }
    return request === null
      ? replayConnection(recorded, workload, connection)
      : replayRequest(recorded, request, workload, connection, this.#digests)
  }
}

/** Nobody looked what it was that came in plaintext: that it is refused can be told where policy does not look either. */
function unseen(workload: WorkloadPolicy, connection: ConnectionContext): Replayed {
  const refused = [workload.policy('http'), workload.policy('tcp')].every((policy) => {
    const { constant } = bind(policy, connection)
    return constant !== null && !constant.allowed
  })
  // What would pass policy may still have been a request that nobody can read, or one with a bad token.
  return refused ? { kind: 'either-way', allowed: false } : undecidable(['what was asked for'])
}

function replayConnection(
  recorded: Recorded,
  workload: WorkloadPolicy,
  connection: ConnectionContext,
): Replayed {
  const bound = bind(workload.policy('tcp'), connection)
  const rule = custom(bound, null)
  const consent = recordedConsent(rule, recorded, workload.authorizers)
  if (consent === 'unknown') return undecidable([`the answer of ${rule?.provider}`])
  return decided(consent === 'passes' ? verdictOf(authorize(bound, null)) : consent)
}
