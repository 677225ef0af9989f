/** A clock that tests move by hand: nothing fires until `advance` passes its time. */
import type { Clock, Timer } from '../../src/lifecycle/clock.ts'

interface Entry {
  at: number
  readonly every: number | null
  readonly task: () => void
}

export class ManualClock implements Clock {
  #now: number
  readonly #entries = new Set<Entry>()

  constructor(now = Date.parse('2026-01-02T03:04:05Z')) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  after(ms: number, task: () => void): Timer {
    return this.#add({ at: this.#now + Math.max(ms, 0), every: null, task })
  }

  every(ms: number, task: () => void): Timer {
    return this.#add({ at: this.#now + ms, every: ms, task })
  }

  soon(task: () => void): Timer {
    return this.#add({ at: this.#now, every: null, task })
  }

  /** One turn of the event loop: what waits for it now, not what that puts off once more. */
  turn(): void {
    const due = [...this.#entries].filter(({ at, every }) => every === null && at <= this.#now)
    for (const entry of due) if (this.#entries.delete(entry)) entry.task()
  }

  /** Moves time on and fires nothing: what falls due is late. */
  skip(ms: number): void {
    this.#now += ms
  }

  /** How many timers are pending; a test that ends with more than it began has found a leak. */
  get pending(): number {
    return this.#entries.size
  }

  /** Moves time on, firing what falls due in order of time. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      let due: Entry | null = null
      for (const entry of this.#entries)
        if (entry.at <= end && (due === null || entry.at < due.at)) due = entry
      if (due === null) break
      this.#now = Math.max(this.#now, due.at)
      if (due.every === null) this.#entries.delete(due)
      else due.at += due.every
      due.task()
    }
    this.#now = end
  }

  #add(entry: Entry): Timer {
    this.#entries.add(entry)
    return { cancel: () => this.#entries.delete(entry) }
  }
}
