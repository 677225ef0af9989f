/** Says in the log what a configuration holds and what is wrong with it: each complaint once, until it changes. */
import type { Quarantined } from '../policy/resource.ts'
import type { Logger } from '../telemetry/logger.ts'

// What opens nothing by its absence has no stub.
const withoutStub = new Set([
  'Document',
  'MeshConfig',
  'ServiceEntry',
  'WorkloadEntry',
  'Service',
  'Endpoints',
  'EndpointSlice',
  'Pod',
])

export interface Reported {
  readonly quarantine: readonly Quarantined[]
  /** Legal and probably not meant, or accepted without effect. */
  readonly warnings?: readonly string[]
  readonly ignored?: readonly { readonly what: string; readonly origin: string }[]
}

/** Returns a function to call with each new state. */
export function reportConfiguration(log: Logger): (state: Reported) => void {
  let known = new Set<string>()
  return (state) => {
    const now = new Set<string>()
    const once = (key: string, say: () => void): void => {
      if (!known.has(key) && !now.has(key)) say()
      now.add(key)
    }
    for (const object of state.quarantine) {
      const { kind, namespace, name, origin, reason } = object
      once(JSON.stringify([kind, namespace, name, reason]), () =>
        log.warn(`quarantined ${shown(object)}: ${inForce(object)}`, { origin, reason }),
      )
    }
    for (const warning of state.warnings ?? [])
      once(warning, () => log.warn('configuration warning', { warning }))
    for (const { what, origin } of state.ignored ?? []) {
      once(`${what} ${origin}`, () => log.info(`ignored ${what}`, { origin }))
    }
    known = now
  }
}

// What cannot be read as an object has no kind and no name of its own; its file is its name.
const shown = ({ kind, namespace, name }: Quarantined): string =>
  kind === 'Document' ? `a document of ${name}` : `${kind} ${namespace}/${name}`

function inForce({ kind, lastGood }: Quarantined): string {
  if (lastGood) return 'the earlier good version stays in force'
  return withoutStub.has(kind) ? 'it is left out' : 'its fail-closed stub is in force'
}
