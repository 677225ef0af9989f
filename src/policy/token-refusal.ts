/**
 * What stands in for a RequestAuthentication that is not in force: requests that bear a token are answered 401 where it
 * selects. It verifies nothing itself.
 */
import type { TokenLocations } from './request-authentication.ts'
import type { Selector } from './resource.ts'

export interface TokenRefusal {
  readonly namespace: string
  readonly name: string
  readonly selector: Selector | null
  readonly reason: string
  /** Where else than in the default places its tokens may be, as far as that could be read. */
  readonly locations: TokenLocations
  /** Names of output headers (lower case) that the client must not get to fill in, as far as they could be read. */
  readonly outputs: readonly string[]
}
