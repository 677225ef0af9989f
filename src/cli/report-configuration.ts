/** Says in the log what a configuration holds and what is wrong with it: each complaint once, until it changes. */
import type { Quarantined } from '../policy/resource.ts'
import type { Logger } from '../telemetry/logger.ts'

export interface Reported {
  readonly quarantine: readonly Quarantined[]
}

/** Returns a function to call with each new state. */
export function reportConfiguration(log: Logger): (state: Reported) => void {
  let known = new Set<string>()
  return ({ quarantine }) => {
    const now = new Set<string>()
    for (const object of quarantine) {
      const { kind, namespace, name, origin, reason, lastGood } = object
      const key = JSON.stringify([kind, namespace, name, reason])
      now.add(key)
      if (known.has(key)) continue
      const inForce = lastGood
        ? 'the earlier good version stays in force'
        : 'its fail-closed stub is in force'
      log.warn(`quarantined ${kind} ${namespace}/${name}: ${inForce}`, { origin, reason })
    }
    known = now
  }
}
