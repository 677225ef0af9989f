/**
 * The only door to time: what waits or tells the hour takes a Clock, so that tests move time by hand. It schedules; it
 * does not retry, back off or own anything.
 */

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Runs `task` once after `ms` (clamped to what the platform can wait in one go); does not keep the process alive. */
  after(ms: number, task: () => void): Timer
  /** As `after`, repeatedly. */
  every(ms: number, task: () => void): Timer
  /** Runs `task` once in the next turn of the event loop, when what came in meanwhile was looked at. */
  soon(task: () => void): Timer
}

// setTimeout fires at once above 2^31-1 ms.
const longest = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, task) {
    const handle = setTimeout(task, Math.min(Math.max(ms, 0), longest))
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
  every(ms, task) {
    const handle = setInterval(task, Math.min(Math.max(ms, 1), longest))
    handle.unref()
    return { cancel: () => clearInterval(handle) }
  },
  soon(task) {
    const handle = setImmediate(task)
    return { cancel: () => clearImmediate(handle) }
  },
}
