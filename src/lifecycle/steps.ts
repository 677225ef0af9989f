/**
 * Long work as a generator of small steps, so that whoever runs it decides when to pause. Run here in one go or in slices
 * between which the event loop goes on; what the work is, and what is in force meanwhile, is its caller's affair.
 */
import type { Clock, Timer } from './clock.ts'

/** Each step takes microseconds; the value comes with the last. */
export type Steps<T> = Generator<void, T>

export function runAtOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

export interface Slicing {
  readonly clock: Clock
  /** Longest slice in milliseconds of the machine's own clock; the step that passes it is finished. 0 = a step a slice. */
  readonly sliceMs: number
}

/** Begins in a later turn of the event loop and gives every other turn away; `failed` gets what a step threw. */
export function runSliced<T>(
  steps: Steps<T>,
  { clock, sliceMs }: Slicing,
  done: (value: T) => void,
  failed: (error: unknown) => void,
): Timer {
  let cancelled = false
  const slice = (): void => {
    const until = performance.now() + sliceMs
    let step: IteratorResult<void, T>
    try {
      do {
        step = steps.next()
      } while (step.done !== true && !cancelled && performance.now() < until)
    } catch (error) {
      return failed(error)
    }
    if (cancelled) return
    if (step.done === true) done(step.value)
    else next = clock.soon(slice)
  }
  let next = clock.soon(slice)
  return {
    cancel: () => {
      cancelled = true
      next.cancel()
    },
  }
}
