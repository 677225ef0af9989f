/**
 * One question to the authorizer that a CUSTOM rule names, kept true while policy changes: only an answer counts that the
 * policy in force asks for. It knows neither HTTP nor TCP: whoever begins it says how to ask and what follows.
 */
import type { CustomOutcome } from '../../authz/custom-outcome.ts'
import type { CheckOutcome } from '../../ext-authz/outcome.ts'
import type { Provider } from '../../ext-authz/provider.ts'
import type { FoundProvider } from '../../ext-authz/providers.ts'

export interface Inquirer {
  /** The CUSTOM rule that matches by the policy in force. */
  find(): CustomOutcome | null
  /** As that policy knows it. */
  provider(name: string): FoundProvider
  /** `done` is not called before this returns; after the signal it is not heard. */
  ask(provider: Provider, signal: AbortSignal, done: (outcome: CheckOutcome) => void): void
  /** `outcome` is null where nobody was asked: no rule matches, or its `refusal` stands. */
  settle(rule: CustomOutcome | null, outcome: CheckOutcome | null): void
}

export class Inquiry {
  readonly #inquirer: Inquirer
  /** Whose answer is awaited, or was obeyed. */
  asked: Provider | null = null
  #outcome: CheckOutcome | null = null
  #ending: AbortController | null = null
  #abandoned = false

  constructor(inquirer: Inquirer) {
    this.#inquirer = inquirer
  }

  /** Begins, and is called again after each change of policy: leads to `settle`, at once or later. */
  proceed(): void {
    if (this.#abandoned) return
    const rule = this.#inquirer.find()
    const found = rule === null || rule.refusal !== null ? null : this.#inquirer.provider(rule.provider)
    if (found === null || !found.ok) {
      this.#forget()
      return this.#inquirer.settle(rule, null)
    }
    const { provider } = found
    if (provider !== this.asked) this.#ask(provider)
    else if (this.#outcome !== null) this.#inquirer.settle(rule, this.#outcome)
  }

  /** An answer is awaited. */
  get pending(): boolean {
    return this.asked !== null && this.#outcome === null
  }

  /** Nobody waits any more: a check under way is cancelled. */
  abandon(): void {
    this.#abandoned = true
    this.#forget()
  }

  #ask(provider: Provider): void {
    this.#forget()
    this.asked = provider
    const ending = new AbortController()
    this.#ending = ending
    this.#inquirer.ask(provider, ending.signal, (outcome) => {
      if (ending.signal.aborted) return
      this.#ending = null
      this.#outcome = outcome
      this.proceed()
    })
  }

  #forget(): void {
    this.#ending?.abort()
    this.#ending = null
    this.asked = null
    this.#outcome = null
  }
}
