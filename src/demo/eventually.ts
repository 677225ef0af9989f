/** Asks again until the answer is the wanted one or the time is up; then the last answer stands. It sleeps for nobody. */
import { systemClock } from '../lifecycle/clock.ts'

/** Milliseconds between two questions. */
const pauseMs = 15

export interface Answer<T> {
  readonly value: T
  readonly wanted: boolean
  /** Milliseconds from the first question to the last answer. */
  readonly ms: number
}

/** An attempt that throws counts as an unwanted answer; the last error is thrown when no attempt ever answered. */
export async function eventually<T>(
  ask: () => Promise<T> | T,
  isWanted: (value: T) => boolean,
  deadlineMs: number,
): Promise<Answer<T>> {
  const start = performance.now()
  for (;;) {
    let answer: { readonly value: T } | null = null
    let problem: unknown = null
    try {
      answer = { value: await ask() }
    } catch (error) {
      problem = error
    }
    const ms = performance.now() - start
    if (answer !== null && isWanted(answer.value)) return { ...answer, wanted: true, ms }
    if (ms > deadlineMs) {
      if (answer === null) throw problem
      return { ...answer, wanted: false, ms }
    }
    await pause(pauseMs)
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void systemClock.after(ms, resolve))
}
