/**
 * What stands in for a RequestAuthentication that is not in force: requests that bear a token are answered 401 where it
 * selects. It verifies nothing itself.
 */
import type { Selector } from './resource.ts'

export interface TokenRefusal {
  readonly namespace: string
  readonly name: string
  readonly selector: Selector | null
  readonly reason: string
}
