/** One claim of the tour: a name, and how to find out whether it holds. It prints nothing; `tour.ts` does. */
import { eventually } from '../eventually.ts'
import { call, callAs } from '../http-call.ts'
import type { Call } from '../http-call.ts'
import type { RunningMesh } from '../running-mesh.ts'
import type { Tier } from '../topology.ts'

export interface Check {
  readonly name: string
  /** Resolves with what was seen, in a few words; rejects with CheckFailed when the claim does not hold. */
  readonly run: (mesh: RunningMesh) => Promise<string>
}

export class CheckFailed extends Error {
  readonly expected: string
  readonly seen: string

  constructor(expected: string, seen: string) {
    super(`expected ${expected}; seen ${seen}`)
    this.expected = expected
    this.seen = seen
  }
}

/** Throws CheckFailed unless `holds`. */
export function demand(holds: boolean, expected: string, seen: string): void {
  if (!holds) throw new CheckFailed(expected, seen)
}

/** How a request ended: status 0 when the connection was closed without an answer. */
export interface Outcome {
  readonly status: number
  readonly body: string
  readonly text: string
}

/** As `callAs`, but a closed connection is an outcome like any other. */
export async function outcomeAs(from: Tier, url: string, more: Partial<Call> = {}): Promise<Outcome> {
  return outcome(callAs(from, url, more))
}

/** Plain HTTP straight to an address, as somebody without a sidecar calls. */
export async function outcomeOf(what: Call): Promise<Outcome> {
  return outcome(call(what))
}

async function outcome(reply: ReturnType<typeof call>): Promise<Outcome> {
  try {
    const { status, body } = await reply
    return { status, body, text: `${status} ${JSON.stringify(body.slice(0, 80))}` }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? (error as Error).name
    return { status: 0, body: '', text: `no answer (${code})` }
  }
}

/** Milliseconds in which an edited file must have its effect. */
export const effectMs = 1000
/** Milliseconds for everything else that needs a moment. */
export const momentMs = 5000

/** Asks until the outcome has the wanted status; returns the milliseconds it took, or throws CheckFailed. */
export async function becomes(
  ask: () => Promise<Outcome>,
  status: number,
  what: string,
  deadlineMs: number = effectMs,
): Promise<number> {
  const { value, wanted, ms } = await eventually(ask, (seen) => seen.status === status, deadlineMs)
  demand(wanted, `${what}: ${status || 'no answer'} within ${deadlineMs} ms`, value.text)
  return Math.round(ms)
}
