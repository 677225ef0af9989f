/**
 * All rules that apply to a workload, asked of one request: which identity it has, what is taken from it and put into it
 * before the application sees it, or why it is refused (policy-semantics §6.2, §6.4, §6.6). It judges no policy.
 */
import type { RequestToken } from '../authz/request-token.ts'
import type { JwtRule, RequestAuthentication, TokenLocations } from '../policy/request-authentication.ts'
import type { TokenRefusal } from '../policy/token-refusal.ts'
import type { BearerRequest, Outcome } from './bearer-request.ts'
import { isVerified, judgeTokens } from './judge-tokens.ts'
import type { KeyRing } from './key-ring.ts'
import { KeySet } from './key-set.ts'
import { LegacyOrigins } from './legacy-origins.ts'
import { withoutParameters } from './query.ts'
import { detailsOf, statusOf, type KeyFault, type TokenFault } from './token-fault.ts'
import { TokenFinder, type FoundToken } from './token-locations.ts'
import type { VerifiedToken } from './verified-token.ts'
import { RuleVerifier, type Judged } from './verify-token.ts'

/** Verified tokens remembered over all rules. */
const mostRemembered = 4096
const none: readonly string[] = []

interface Rule {
  readonly verifier: RuleVerifier
  readonly required: boolean
  /** Index into the finders: rules that look in the same places share what was found. */
  readonly finder: number
}

/** One request on its way through the rules. */
interface Passage {
  readonly request: BearerRequest
  readonly nowMs: number
  readonly found: readonly (readonly FoundToken[])[]
  /** By rule, as far as judged. */
  readonly judged: (Judged | null)[]
}

export class RequestAuthenticationVerifier {
  readonly #rules: readonly Rule[]
  readonly #finders: readonly TokenFinder[]
  readonly #refusedFinders: readonly TokenFinder[]
  readonly #scrub: readonly string[]
  readonly #anyRequired: boolean
  /** Legacy policies, where no modern rule is in force. */
  readonly #legacy: LegacyOrigins | null
  /** Nothing to verify, to refuse or to remove: every request passes as it is. */
  readonly idle: boolean

  constructor(
    authentications: readonly RequestAuthentication[],
    refusals: readonly TokenRefusal[],
    ring: KeyRing,
  ) {
    const legacy = authentications.filter((one) => one.legacy !== null)
    const rules = authentications
      .filter((one) => one.legacy === null)
      .flatMap(({ jwtRules }) => jwtRules)
      .toSorted((x, y) => (x.issuer < y.issuer ? -1 : x.issuer > y.issuer ? 1 : 0))
    const scrub = new Set(refusals.flatMap(({ outputs }) => outputs))
    for (const rule of rules) {
      if (rule.outputPayloadToHeader !== null) scrub.add(rule.outputPayloadToHeader)
      for (const { header } of rule.outputClaimToHeaders) scrub.add(header)
    }
    this.#scrub = [...scrub]
    const places = new Map<string, number>()
    const finders: TokenFinder[] = []
    const all = authentications.reduce((sum, { jwtRules }) => sum + jwtRules.length, 0)
    const most = Math.max(64, Math.floor(mostRemembered / Math.max(all, 1)))
    this.#rules = rules.map((rule) => {
      const { fromHeaders, fromParams, fromCookies } = rule
      const place = JSON.stringify([fromHeaders, fromParams, fromCookies])
      const finder = places.get(place) ?? finders.push(new TokenFinder(rule, scrub)) - 1
      places.set(place, finder)
      const verifier = new RuleVerifier(rule, readInline(rule.jwks), ring, most)
      return { verifier, required: rule.presence === 'REQUIRED', finder }
    })
    this.#finders = finders
    this.#refusedFinders = refusals.flatMap(({ locations }) =>
      [defaultPlaces, locations].map((place) => new TokenFinder(place, new Set())),
    )
    this.#anyRequired = this.#rules.some(({ required }) => required)
    const methodOf = (rule: JwtRule) => ({
      verifier: new RuleVerifier(rule, readInline(rule.jwks), ring, most),
      finder: new TokenFinder(rule, scrub),
    })
    // Where the modern kind has a rule, the legacy kind is out of force.
    this.#legacy =
      legacy.length === 0 || rules.length > 0 ? null : new LegacyOrigins(legacy, methodOf, this.#scrub)
    this.idle = rules.length === 0 && refusals.length === 0 && this.#legacy === null
  }

  /** Whether there is a port on which `demandsRequests` holds. */
  get demanding(): boolean {
    return this.#legacy?.demanding ?? false
  }

  /** Whether an opaque connection to the port would escape what a legacy policy demands of its requests. */
  demandsRequests(port: number): boolean {
    return this.#legacy?.demands(port) ?? false
  }

  /** What a payload that counts as verified comes to under the legacy policy of the port; null where there is none. */
  assume(request: BearerRequest, issuer: string, verified: VerifiedToken): Outcome | null {
    if (this.#legacy === null) return null
    return isCorsPreflight(request)
      ? this.#legacy.pass(request)
      : this.#legacy.assume(request, issuer, verified)
  }

  /** At once when there is no token, or none that needs its signature looked at; never throws or rejects. */
  verify(request: BearerRequest, nowMs: number): Outcome | Promise<Outcome> {
    const { headers, target } = request
    if (isCorsPreflight(request)) return this.#legacy?.pass(request) ?? this.#pass(request)
    for (const finder of this.#refusedFinders) {
      if (finder.find(headers, target).length > 0) return quarantined(request)
    }
    if (this.#legacy !== null) return this.#legacy.verify(request, nowMs)
    const found: (readonly FoundToken[])[] = []
    let any = this.#anyRequired
    for (const finder of this.#finders) {
      const tokens = finder.find(headers, target)
      if (tokens.length > 0) any = true
      found.push(tokens)
    }
    if (!any) return this.#pass(request)
    const passage: Passage = { request, nowMs, found, judged: [] }
    return this.#anyRequired ? this.#demandAll(passage) : this.#acceptAny(passage)
  }

  /** `any(P1..Pn, all(Pi or missing))`: the first success ends it. */
  #acceptAny(passage: Passage): Outcome | Promise<Outcome> {
    const { judged } = passage
    for (let i = judged.length; i < this.#rules.length; i++) {
      const rule = this.#rules[i] as Rule
      const tokens = passage.found[rule.finder] as readonly FoundToken[]
      const verdict = tokens.length === 0 ? null : judgeTokens(rule.verifier, tokens, passage.nowMs)
      if (verdict instanceof Promise) {
        return verdict.then((settled) => {
          if (isVerified(settled)) return this.#admit(passage, [[rule, settled]])
          judged.push(settled)
          return this.#acceptAny(passage)
        })
      }
      if (verdict !== null && isVerified(verdict)) return this.#admit(passage, [[rule, verdict]])
      judged.push(verdict)
    }
    const fault = reported(judged)
    return fault === null ? this.#pass(passage.request) : refusal(passage.request, fault)
  }

  /** With a REQUIRED rule every rule must hold: its token valid, or missing where it may be. */
  #demandAll(passage: Passage): Outcome | Promise<Outcome> {
    const { judged } = passage
    for (let i = judged.length; i < this.#rules.length; i++) {
      const rule = this.#rules[i] as Rule
      const tokens = passage.found[rule.finder] as readonly FoundToken[]
      if (tokens.length === 0) {
        if (rule.required) return refusal(passage.request, 'Jwt is missing')
        judged.push(null)
        continue
      }
      const verdict = judgeTokens(rule.verifier, tokens, passage.nowMs)
      if (verdict instanceof Promise) {
        return verdict.then((settled) => {
          if (!isVerified(settled)) return refusal(passage.request, settled)
          judged.push(settled)
          return this.#demandAll(passage)
        })
      }
      if (!isVerified(verdict)) return refusal(passage.request, verdict)
      judged.push(verdict)
    }
    const admitted = this.#rules.flatMap((rule, i): [Rule, VerifiedToken][] => {
      const verdict = judged[i] ?? null
      return verdict !== null && isVerified(verdict) ? [[rule, verdict]] : []
    })
    return this.#admit(passage, admitted)
  }

  /** Of several verified tokens the last rule's is the identity, as the later write wins in Envoy. */
  #admit(passage: Passage, admitted: readonly (readonly [Rule, VerifiedToken])[]): Outcome {
    const removeHeaders = [...this.#scrub]
    let parameters: string[] | null = null
    let identity: RequestToken | null = null
    let outputs: readonly string[] = none
    for (const [rule, verified] of admitted) {
      identity = verified.token
      if (verified.outputs.length > 0)
        outputs = outputs.length === 0 ? verified.outputs : [...outputs, ...verified.outputs]
      if (rule.verifier.rule.forwardOriginalToken) continue
      for (const { place, name } of passage.found[rule.finder] as readonly FoundToken[]) {
        if (place === 'header') removeHeaders.push(name)
        else if (place === 'parameter') (parameters ??= []).push(name)
      }
    }
    const { target } = passage.request
    const edited = parameters === null ? target : withoutParameters(target, parameters)
    return { ok: true, token: identity, edits: { removeHeaders, addHeaders: outputs, target: edited } }
  }

  #pass({ target }: BearerRequest): Outcome {
    return { ok: true, token: null, edits: { removeHeaders: this.#scrub, addHeaders: none, target } }
  }
}

const defaultPlaces: TokenLocations = { fromHeaders: [], fromParams: [], fromCookies: [] }

function readInline(text: string | null): KeySet | KeyFault | null {
  if (text === null) return null
  const read = KeySet.read(text)
  return read.ok ? read.keys : read.fault
}

/**
 * The fault that is told when no rule was satisfied; null when nobody brought a token. The last alternative, "all or
 * missing", fails with the first rule that has a token and refuses it, so a real fault there is the last real one;
 * otherwise a real fault beats an unknown issuer.
 */
function reported(judged: readonly (Judged | null)[]): TokenFault | null {
  const faults = judged.filter((verdict): verdict is TokenFault => typeof verdict === 'string')
  const [first] = faults
  if (first === undefined || isReal(first)) return first ?? null
  return faults.findLast(isReal) ?? first
}

const isReal = (fault: TokenFault): boolean => fault !== 'Jwt issuer is not configured'

function isCorsPreflight({ method: name, headers }: BearerRequest): boolean {
  if (name !== 'OPTIONS') return false
  let origin = false
  let method = false
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i + 1] === '') continue
    if (headers[i] === 'origin') origin = true
    else if (headers[i] === 'access-control-request-method') method = true
  }
  return origin && method
}

function refusal(request: BearerRequest, fault: TokenFault): Outcome {
  const error = fault === 'Jwt is missing' ? '' : ', error="invalid_token"'
  return {
    ok: false,
    status: statusOf(fault),
    body: fault,
    authenticate: `Bearer realm="${realm(request)}"${error}`,
    details: detailsOf(fault),
  }
}

/** A RequestAuthentication that is not in force cannot be trusted to have meant less (architecture §4). */
function quarantined(request: BearerRequest): Outcome {
  const details = 'jwt_authn_access_denied{quarantined_request_authentication}'
  return { ...refusal(request, 'Jwt verification fails'), details } as Outcome
}

/** Most characters of the path that are told back. */
const longestPath = 256

/** Quotes and backslashes would end or bend the quoted text (RFC 9110 §5.6.4). */
function realm({ connection, host, target }: BearerRequest): string {
  const uri = `${connection.scheme}://${host}${target.slice(0, longestPath)}`
  return uri.replace(/["\\]/g, (c) => (c === '"' ? '%22' : '%5C'))
}
