/** An engine of the policy bench after it has loaded the rules: questions in, verdicts out. It measures nothing. */
export interface Engine {
  readonly name: string
  /** Milliseconds to load. */
  readonly loadMs: number
  /** Answers question `n`. */
  readonly ask: (n: number) => boolean
}
