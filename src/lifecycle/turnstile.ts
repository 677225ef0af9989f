/**
 * Lets so many tasks be under way at once; the others wait for their turn, in order, however many they are. It cancels
 * nothing: a task whose turn comes too late finds that out itself.
 */
export class Turnstile {
  readonly #most: number
  readonly #waiting: (() => void)[] = []
  #under = 0

  constructor(most: number) {
    this.#most = most
  }

  async pass<T>(task: () => Promise<T>): Promise<T> {
    // Whoever leaves hands on the place, so that nobody new slips in between.
    if (this.#under < this.#most) this.#under += 1
    else await new Promise<void>((turn) => this.#waiting.push(turn))
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#under -= 1
      else next()
    }
  }
}
