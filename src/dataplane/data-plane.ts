/**
 * What one data thread owns and every step of both itineraries is handed: the world in force, trust, the tables and the
 * places where things are told. A bundle of references; it does nothing itself.
 */
import type { ExtAuthzProviders } from '../ext-authz/providers.ts'
import type { RoutedAuthorizers } from '../ext-authz/routed-authorizer.ts'
import type { KeyRing } from '../jwt/key-ring.ts'
import type { Clock } from '../lifecycle/clock.ts'
import type { Turnstile } from '../lifecycle/turnstile.ts'
import type { TlsContexts } from '../tls/tls-contexts.ts'
import type { AccessRecord } from '../telemetry/access-record.ts'
import type { TrafficMetrics } from '../telemetry/traffic-metrics.ts'
import type { ConnectionTable } from './connection-table.ts'
import type { DecisionJournal } from './decisions/decision-journal.ts'
import type { DataplaneSettings } from './dataplane-settings.ts'
import type { OpaqueSession } from './opaque-session.ts'
import type { OriginalDestination } from './local-address.ts'
import type { TimerWheel } from './timer-wheel.ts'
import type { MeshPool } from './outbound/mesh-pool.ts'
import type { UpstreamPool } from './outbound/upstream-pool.ts'
import type { World } from './world.ts'

export interface DataPlane {
  readonly settings: DataplaneSettings
  readonly clock: Clock
  readonly wheel: TimerWheel
  readonly contexts: TlsContexts
  /** Issuers' keys, as the control thread last sent them. */
  readonly keyRing: KeyRing
  /** Authorizers that CUSTOM policies ask. */
  readonly authorizers: ExtAuthzProviders
  /** Where they are and how they are spoken to. */
  readonly routed: RoutedAuthorizers
  /** Questions to them about connections that are served already, after a change of policy. */
  readonly askedAgain: Turnstile
  readonly table: ConnectionTable
  /** Connections to the application, and to endpoints: never shared, since they carry different trust. */
  readonly applicationPool: UpstreamPool
  readonly meshPool: MeshPool
  readonly originalDestination: OriginalDestination
  readonly ownPorts: Set<number>
  /** Addresses our own ports are bound on: with `ownPorts`, what must never be dialled. */
  readonly ownAddresses: ReadonlySet<string>
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly metrics: TrafficMetrics
  readonly sessions: Set<OpaqueSession>
  /** Connections that ended before any chain served them, by reason: `not_redirected`, `no_filter_chain`, ... */
  readonly refusals: Map<string, number>
  /** Handshakes under way, bounded by settings.maxHandshakes. */
  handshakes: number
  /** The configuration in force; null until the first snapshot. Read once at the top of a request or connection. */
  world: World | null
  /** Draining: new inbound requests are told to close. */
  draining: boolean
  /** False when nobody reads records: then none is made of a request. */
  readonly recording: boolean
  /** Where verdicts are counted and some of them recorded. */
  readonly journal: DecisionJournal
  /** The one access record of a request or opaque connection. */
  readonly finished: (record: AccessRecord) => void
  /** A bug showed itself: said aloud, the rest goes on. */
  readonly fault: (error: unknown) => void
}
