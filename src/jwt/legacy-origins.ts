/**
 * Origin authentication as legacy policies had it (policy-semantics §7): the narrowest policy of the port decides alone,
 * its methods are tried in order, and a request that satisfies none is refused. The token stays in the request.
 */
import type { RequestToken } from '../authz/request-token.ts'
import { narrowest } from '../policy/legacy-scope.ts'
import type { PrincipalBinding, RequestAuthentication } from '../policy/request-authentication.ts'
import type { BearerRequest, Outcome } from './bearer-request.ts'
import { isVerified, judgeTokens } from './judge-tokens.ts'
import type { TokenFault } from './token-fault.ts'
import type { FoundToken, TokenFinder } from './token-locations.ts'
import { Triggers } from './triggers.ts'
import type { VerifiedToken } from './verified-token.ts'
import type { Judged, RuleVerifier } from './verify-token.ts'

export interface OriginMethod {
  readonly verifier: RuleVerifier
  readonly finder: TokenFinder
}

interface Method extends OriginMethod {
  readonly triggers: Triggers
}

interface Policy {
  readonly methods: readonly Method[]
  readonly required: boolean
  readonly binding: PrincipalBinding
}

/** How a method is asked: null when the request has nothing for it. */
type Ask = (method: Method) => Judged | Promise<Judged> | null

export class LegacyOrigins {
  readonly #authentications: readonly RequestAuthentication[]
  readonly #methodOf: (rule: RequestAuthentication['jwtRules'][number]) => OriginMethod
  readonly #scrub: readonly string[]
  readonly #policies = new Map<RequestAuthentication, Policy>()
  /** By port, as asked; a workload is reached on few. */
  readonly #byPort = new Map<number, Policy | null>()

  /** `authentications`: legacy ones that reach the workload. `scrub`: headers that no client has a say in. */
  constructor(
    authentications: readonly RequestAuthentication[],
    methodOf: (rule: RequestAuthentication['jwtRules'][number]) => OriginMethod,
    scrub: readonly string[],
  ) {
    this.#authentications = authentications
    this.#methodOf = methodOf
    this.#scrub = scrub
  }

  /** Whether some policy demands anything at all. */
  get demanding(): boolean {
    return this.#authentications.some(({ legacy }) => legacy?.required === true)
  }

  /** Whether something is demanded on the port that only a readable request can show. */
  demands(port: number): boolean {
    return this.#at(port)?.required ?? false
  }

  verify(request: BearerRequest, nowMs: number): Outcome | Promise<Outcome> {
    return this.#settle(request, ({ verifier, finder }) => {
      const tokens: readonly FoundToken[] = finder.find(request.headers, request.target)
      return tokens.length === 0 ? null : judgeTokens(verifier, tokens, nowMs)
    })
  }

  /** The same for a payload that counts as verified for the rule of this issuer. */
  assume(request: BearerRequest, issuer: string, verified: VerifiedToken): Outcome {
    const ask = ({ verifier }: Method): Judged | null => (verifier.rule.issuer === issuer ? verified : null)
    return this.#settle(request, ask) as Outcome
  }

  /** Origins are not asked of this request. */
  pass(request: BearerRequest): Outcome {
    return this.#admit(request, this.#at(request.connection.port), null)
  }

  #settle(request: BearerRequest, ask: Ask): Outcome | Promise<Outcome> {
    const policy = this.#at(request.connection.port)
    return policy === null ? this.pass(request) : this.#tryFrom(request, policy, ask, 0, null)
  }

  /** `fault` is null until a method was asked. */
  #tryFrom(
    request: BearerRequest,
    policy: Policy,
    ask: Ask,
    start: number,
    fault: TokenFault | null,
  ): Outcome | Promise<Outcome> {
    let last = fault
    for (let i = start; i < policy.methods.length; i++) {
      const method = policy.methods[i] as Method
      if (!method.triggers.fire(request.path)) continue
      const verdict = ask(method)
      if (verdict instanceof Promise) {
        return verdict.then((settled) =>
          isVerified(settled)
            ? this.#admit(request, policy, settled)
            : this.#tryFrom(request, policy, ask, i + 1, settled),
        )
      }
      if (verdict !== null && isVerified(verdict)) return this.#admit(request, policy, verdict)
      last = verdict ?? last ?? 'Jwt is missing'
    }
    // A stub demands without a method that could be satisfied.
    const demanded = policy.required && (last !== null || policy.methods.length === 0)
    return demanded ? refusal(last) : this.#admit(request, policy, null)
  }

  /** Neither the token nor anything else leaves the request, but for what never was the client's. */
  #admit(request: BearerRequest, policy: Policy | null, verified: VerifiedToken | null): Outcome {
    const { target, connection } = request
    const token =
      policy?.binding === 'USE_PEER' ? ofPeer(connection.peer, verified) : (verified?.token ?? null)
    return { ok: true, token, edits: { removeHeaders: this.#scrub, addHeaders: [], target } }
  }

  #at(port: number): Policy | null {
    const known = this.#byPort.get(port)
    if (known !== undefined) return known
    const winner = narrowest(this.#authentications, port)
    const policy = winner === null ? null : this.#policyOf(winner)
    this.#byPort.set(port, policy)
    return policy
  }

  #policyOf(winner: RequestAuthentication): Policy | null {
    const { legacy, jwtRules } = winner
    if (legacy === null) return null
    const known = this.#policies.get(winner)
    if (known !== undefined) return known
    const methods = jwtRules.map((rule) => ({
      ...this.#methodOf(rule),
      triggers: new Triggers(rule.triggers),
    }))
    const made = { methods, required: legacy.required, binding: legacy.binding }
    this.#policies.set(winner, made)
    return made
  }
}

/** The claims are the token's, the name is the peer's. */
function ofPeer(peer: string, verified: VerifiedToken | null): RequestToken | null {
  if (verified === null && peer === '') return null
  return { issuer: '', subject: '', principal: peer, claims: verified?.token.claims ?? {} }
}

/** Istio's filter told no more, and sent no challenge. The record tells what was wrong. */
function refusal(fault: TokenFault | null): Outcome {
  return {
    ok: false,
    status: 401,
    body: 'Origin authentication failed.',
    authenticate: null,
    details: `origin_authentication_failed{${fault === null ? 'quarantined_policy' : fault.replaceAll(' ', '_')}}`,
  }
}
