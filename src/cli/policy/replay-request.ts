/**
 * One recorded request judged again by the policy of a workload: its path, an authorizer's consent, its token, the rules, in
 * the proxy's own order. Each step goes on with every case that what was recorded leaves open.
 */
import { authorize, bind } from '../../authz/authorize.ts'
import type { CompiledPolicy } from '../../authz/compiled-policy.ts'
import { possibleRules } from '../../authz/possible-rules.ts'
import type { PossibleRules } from '../../authz/possible-rules.ts'
import { RequestContext, type ConnectionContext } from '../../authz/request-context.ts'
import { requestQuestions, type RequestQuestions } from '../../authz/request-questions.ts'
import { normalizePath } from '../../match/path-normalization.ts'
import type { NormalizedPath, PathNormalizationMode } from '../../match/path-normalization.ts'
import type { DigestReader } from '../../telemetry/value-veil.ts'
import { recordedConsent } from './recorded-consent.ts'
import type { Recorded, RecordedRequest, RecordedVerdict } from './recorded-decision.ts'
import { RecordedSight, type Standing } from './recorded-sight.ts'
import { recordedToken, type TokenState } from './recorded-token.ts'
import { decided, refusedFor, settleReplay, undecidable, verdictOf, type Replayed } from './replayed.ts'
import type { WorkloadPolicy } from './workload-policies.ts'

export function replayRequest(
  recorded: Recorded,
  request: RecordedRequest,
  workload: WorkloadPolicy,
  connection: ConnectionContext,
  digests: DigestReader | null,
): Replayed {
  const path = readPath(request, workload.mesh.pathNormalization)
  if (!path.ok) return decided(refusedFor('request_target_refused'))
  return new RequestReplay(recorded, request, workload, connection, digests, path).judge()
}

type ReadPath = Extract<NormalizedPath, { ok: true }>

class RequestReplay {
  readonly #recorded: Recorded
  readonly #request: RecordedRequest
  readonly #workload: WorkloadPolicy
  readonly #policy: CompiledPolicy
  readonly #connection: ConnectionContext
  readonly #context: RequestContext
  readonly #sight: RecordedSight
  readonly #token: TokenState
  readonly #missing = new Set<string>()

  constructor(
    recorded: Recorded,
    request: RecordedRequest,
    workload: WorkloadPolicy,
    connection: ConnectionContext,
    digests: DigestReader | null,
    { path, pathWithQuery }: ReadPath,
  ) {
    this.#recorded = recorded
    this.#request = request
    this.#workload = workload
    this.#policy = workload.policy('http')
    this.#connection = connection
    this.#sight = new RecordedSight(request, digests)
    this.#token = recordedToken(request, workload.tokenRules, workload.requestAuthentications)
    const { method, host } = request
    this.#context = new RequestContext(method, path, pathWithQuery, host, this.#sight.headers)
    this.#context.remoteIp = recorded.remoteIp
    if (this.#bearing) this.#context.token = this.#sight.token(connection.principalUri)
  }

  /** Rules about the token have something to look at. */
  get #bearing(): boolean {
    return this.#token === 'verified' || this.#token === 'peer'
  }

  judge(): Replayed {
    const possible: RecordedVerdict[] = []
    for (const rule of this.#customRules()) {
      const consent = recordedConsent(rule?.custom ?? null, this.#recorded, this.#workload.authorizers)
      if (consent === 'unknown') return undecidable([`the answer of ${rule?.custom?.provider}`])
      if (consent !== 'passes') possible.push(consent)
      // An authorizer that was asked may have changed the request; unasked it does not.
      else possible.push(...this.#afterConsent(this.#recorded.authorizer !== null && rule === null))
    }
    return settleReplay(possible, [...this.#missing].sort())
  }

  /** Asked before tokens are taken out of the request or headers put into it. */
  #customRules(): PossibleRules['rules'] {
    const { rules } = this.#policy.custom
    if (rules.length === 0) return [null]
    const { tokenHeaders } = this.#request
    const changed = this.#recorded.authorizer !== null
    return this.#possible(rules, {
      token: 'none',
      doubtful: (name) => changed || tokenHeaders.has(name),
      query: changed ? 'doubtful' : 'recorded',
    })
  }

  #afterConsent(changed: boolean): RecordedVerdict[] {
    switch (this.#token) {
      case 'refused':
        return [this.#recorded.verdict]
      case 'missing':
        return [refusedFor('jwt_authn_access_denied{Jwt_is_missing}')]
      case 'unknown':
        this.#missing.add('the token')
        return [refusedFor('token_refused'), ...this.#verdicts(changed)]
      case 'none':
      case 'verified':
      case 'peer':
        return this.#verdicts(changed)
    }
  }

  #verdicts(changed: boolean): RecordedVerdict[] {
    const touched = this.#touchedHeaders()
    const standing: Standing = {
      token: this.#bearing ? 'recorded' : this.#token === 'unknown' ? null : 'none',
      doubtful: (name) => changed || touched.has(name),
      query: changed ? 'doubtful' : 'recorded',
    }
    const policy = this.#policy
    if (this.#sight.tellsAll(questionsOf(policy), standing))
      return [verdictOf(authorize(bind(policy, this.#connection), this.#context))]
    return this.#possible(policy.verdict.rules, standing).map((rule) =>
      verdictOf(rule?.decision ?? policy.otherwise),
    )
  }

  /** Headers that token rules take or fill, where those that were in force did not or did otherwise. */
  #touchedHeaders(): ReadonlySet<string> {
    const { tokenRules, tokenHeaders, token } = this.#request
    const now = this.#workload.tokenRules
    if (tokenRules !== now.print) return new Set([...tokenHeaders, ...now.tokenHeaders, ...now.outputHeaders])
    return token === null ? tokenHeaders : noHeaders
  }

  #possible(rules: CompiledPolicy['custom']['rules'], standing: Standing): PossibleRules['rules'] {
    const found = possibleRules(rules, {
      connection: this.#connection,
      request: this.#context,
      sees: (test) => this.#sight.of(test, this.#context.path, standing),
    })
    for (const key of found.missing) this.#missing.add(key)
    return found.rules
  }
}

const noHeaders: ReadonlySet<string> = new Set()

/** A target that was refused for something else than its path is refused still. */
function readPath(
  { path, headers, normalization }: RecordedRequest,
  mode: PathNormalizationMode,
): NormalizedPath {
  const read = normalizePath(path, mode)
  if (headers !== null || !read.ok) return read
  const before = normalizePath(path, normalization)
  return before.ok ? { ok: false, reason: '' } : read
}

const questions = new WeakMap<CompiledPolicy, RequestQuestions>()

function questionsOf(policy: CompiledPolicy): RequestQuestions {
  let made = questions.get(policy)
  if (made === undefined) questions.set(policy, (made = requestQuestions(policy)))
  return made
}
