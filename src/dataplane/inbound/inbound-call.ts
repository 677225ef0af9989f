/** What the steps of one inbound connection share: a bundle of facts, settled once where the itinerary begins. */
import type { InboundPort } from '../../discovery/snapshot.ts'
import type { Connection } from '../connection.ts'
import type { InboundMapping } from '../dataplane-settings.ts'
import type { World } from '../world.ts'

export interface InboundCall {
  readonly connection: Connection
  /** The configuration when the connection was accepted; requests read the plane's current one. */
  readonly world: World
  readonly port: InboundPort
  /** null: captured, the application is where the peer dialled. */
  readonly mapping: InboundMapping | null
}
