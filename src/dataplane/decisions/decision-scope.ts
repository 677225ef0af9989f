/**
 * What recording needs to know of one configuration: which headers and claims its rules ask about, which headers bear tokens,
 * and what all its lines have in common. Made when the first decision under it is recorded; it holds on to nothing else of it.
 */
import type { Showing } from '../../authz/condition-account.ts'
import type { CompiledPolicy } from '../../authz/compiled-policy.ts'
import { requestQuestions, type RequestQuestions } from '../../authz/request-questions.ts'
import { HeaderTest, RequestField, type RequestTest } from '../../authz/request-test.ts'
import type { InboundPort } from '../../discovery/snapshot.ts'
import { tokenRules, type TokenRules } from '../../jwt/token-rules.ts'
import { decisionLineVersion } from '../../telemetry/decision-line.ts'
import { text } from '../../telemetry/json-text.ts'
import type { ValueVeil } from '../../telemetry/value-veil.ts'
import type { World } from '../world.ts'

export class DecisionScope {
  readonly generation: number
  readonly tokens: TokenRules
  readonly veil: ValueVeil
  readonly questions: RequestQuestions
  readonly showing: Showing
  /** From the start of a line to its time. */
  readonly opening: string
  /** What lines say of rules that were asked about a request, and of those that were asked about nothing. */
  readonly asked: string
  readonly unasked: string
  /** Which token rules and which normalization were in force. */
  readonly rules: string
  readonly #ports: ReadonlyMap<number, InboundPort>
  readonly #defaultMtls: string

  constructor(world: World, veil: ValueVeil) {
    const { requestAuthentications, tokenRefusals, workload, mesh, defaultMtls } = world.snapshot
    this.generation = world.generation
    this.tokens = tokenRules(requestAuthentications, tokenRefusals)
    this.veil = veil.hiding([...this.tokens.tokenHeaders, ...this.tokens.payloadHeaders])
    this.questions = questionsOf(world.httpPolicy)
    this.showing = { reveal: veil.mode === 'shown', hides: (test) => this.#hides(test) }
    this.#ports = world.ports
    this.#defaultMtls = defaultMtls
    const { namespace, name, labels } = workload
    const { print, tokenHeaders, outputHeaders } = this.tokens
    this.opening =
      `{"v":${decisionLineVersion},"generation":${world.generation}` +
      `,"workload":${JSON.stringify({ namespace, name, labels })},"time":"`
    const values = `,"values":${text(this.veil.name)}`
    this.asked = `,"asked":${JSON.stringify(this.questions.keys)}${values}`
    this.unasked = `,"asked":[]${values}`
    this.rules =
      `,"tokenRules":${text(print ?? '')}` +
      `,"tokenHeaders":${JSON.stringify([...tokenHeaders, ...outputHeaders])}` +
      `,"normalization":${text(mesh.pathNormalization)}`
  }

  mtlsOf(port: number): string {
    return this.#ports.get(port)?.mtls ?? this.#defaultMtls
  }

  /** Where values are shown: tokens and cookies are not, nor queries, which may hold either. */
  #hides(test: RequestTest): boolean {
    return test.field === RequestField.target || (test instanceof HeaderTest && this.veil.isSecret(test.name))
  }
}

const asked = new WeakMap<CompiledPolicy, RequestQuestions>()

/** A policy that outlives a configuration is walked once. */
function questionsOf(policy: CompiledPolicy): RequestQuestions {
  const known = asked.get(policy)
  if (known !== undefined) return known
  const made = requestQuestions(policy)
  asked.set(policy, made)
  return made
}
