/** One object of the configuration as it is in force; which version that is was decided in `resource-state.ts`. */
import type { Accepted, Refused } from '../policy/decode-resource.ts'
import type { Quarantined, RawResource } from '../policy/resource.ts'

export interface Entry {
  readonly key: string
  /** The file or server it came from. */
  readonly source: string
  /** The document in force; for a stub the refused one. */
  readonly raw: RawResource
  readonly decoded: Accepted | Refused
  /** Why the newest document is not in force, or null. */
  readonly quarantined: Quarantined | null
}
