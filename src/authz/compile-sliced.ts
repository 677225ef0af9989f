/**
 * Compiles beside other work: a slice of steps, then a pause in which the event loop goes on. The policies it is given
 * are not in force until it is done.
 */
import type { AuthorizationPolicy } from '../policy/authorization-policy.ts'
import { compileInSteps, type CompileOptions } from './compile.ts'
import type { CompiledPolicy } from './compiled-policy.ts'

export interface Slicing {
  /** Longest slice in milliseconds: a step more may pass. */
  readonly yieldEvery: number
  readonly pause: () => Promise<void>
}

export async function compileSliced(
  policies: readonly AuthorizationPolicy[],
  options: CompileOptions,
  { yieldEvery, pause }: Slicing,
): Promise<CompiledPolicy> {
  const steps = compileInSteps(policies, options)
  let began = performance.now()
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    if (performance.now() - began < yieldEvery) continue
    await pause()
    began = performance.now()
  }
}
