/**
 * Brings snapshots into force one after the other, the latest soon: each is compiled aside between requests, becomes the
 * world by one pointer, and live connections are judged by it. It drops what a newer one overtakes; it judges nothing.
 */
import { bind } from '../authz/authorize.ts'
import { errorLine } from '../error.ts'
import type { Timer } from '../lifecycle/clock.ts'
import { runSliced, type Steps } from '../lifecycle/steps.ts'
import type { Connection } from './connection.ts'
import type { DataPlane } from './data-plane.ts'
import { unpackSnapshot, type PackedSnapshot } from './packed-snapshot.ts'
import { askedAuthorizer, buildWorld, judgesAlike, type World } from './world.ts'
import type { FromWorker } from './worker-protocol.ts'

/** Changes that come faster than they can be compiled must not keep all of them out of force for longer than this. */
const patienceMs = 1000

export class Succession {
  readonly #plane: DataPlane
  readonly #tell: (message: FromWorker) => void
  #work: Timer | null = null
  /** The work under way changes the world already: it is finished. */
  #swapped = false
  /** Comes after the work under way. */
  #next: PackedSnapshot | null = null
  /** When the oldest snapshot came that nothing in force is as new as. */
  #waitingSince = 0
  #newest = 0
  #closed = false

  constructor(plane: DataPlane, tell: (message: FromWorker) => void) {
    this.#plane = plane
    this.#tell = tell
  }

  offer(snapshot: PackedSnapshot): void {
    // Generations only grow: what is not newer was overtaken on its way.
    if (this.#closed || snapshot.generation <= this.#newest) return
    this.#newest = snapshot.generation
    const now = this.#plane.clock.now()
    if (this.#work === null) {
      this.#waitingSince = now
      this.#begin(snapshot)
    } else if (this.#swapped || now - this.#waitingSince >= patienceMs) {
      this.#next = snapshot
    } else {
      this.#work.cancel()
      this.#begin(snapshot)
    }
  }

  /** Whatever is in force stays. */
  close(): void {
    this.#closed = true
    this.#work?.cancel()
    this.#work = null
    this.#next = null
  }

  #begin(snapshot: PackedSnapshot): void {
    const { clock, settings } = this.#plane
    this.#swapped = false
    this.#work = runSliced(
      this.#bringIntoForce(snapshot),
      { clock, sliceMs: settings.sliceMs },
      () => {
        this.#tell({ type: 'applied', generation: snapshot.generation })
        this.#goOn()
      },
      (error) => {
        // The world in force stays whole; the control thread says it aloud.
        this.#warn(`generation ${snapshot.generation} not applied: ${errorLine(error)}`)
        this.#goOn()
      },
    )
  }

  #goOn(): void {
    const next = this.#next
    this.#work = null
    this.#next = null
    if (next === null || this.#closed) return
    this.#waitingSince = this.#plane.clock.now()
    this.#begin(next)
  }

  *#bringIntoForce(packed: PackedSnapshot): Steps<void> {
    const plane = this.#plane
    const before = plane.world
    const snapshot = yield* unpackSnapshot(packed, before?.snapshot ?? null)
    const world = yield* buildWorld(snapshot, before, plane)
    const alike = before !== null && judgesAlike(world, before)
    if (!alike) yield* plane.table.inSteps((connection) => bindAhead(connection, world))
    this.#swapped = true
    plane.world = world
    plane.authorizers.use(world.authorizers)
    // Its client is loaded before a request waits for it.
    askedAuthorizer(world)?.prepare()
    this.#configureTls(world)
    if (!alike) yield* plane.table.inSteps((connection) => this.#judgeAgain(connection))
  }

  /** A connection that cannot be judged is not kept. */
  #judgeAgain(connection: Connection): void {
    try {
      connection.onPolicyChange?.()
    } catch (error) {
      this.#plane.fault(error)
      connection.cut(true)
    }
  }

  /** New handshakes obey meshMTLS; what the library refuses leaves the settings in force. */
  #configureTls({ snapshot: { mesh } }: World): void {
    const { contexts, meshPool } = this.#plane
    const update = contexts.configure(mesh.meshMtls.minProtocolVersion, mesh.meshMtls.cipherSuites)
    if (!update.ok) this.#warn(`meshMTLS is not in force: ${update.reason}`)
    else if (update.changed) meshPool.drainAll()
  }

  #warn(message: string): void {
    this.#tell({ type: 'notice', level: 'warn', message })
  }
}

/** What new policy makes of live connections is worked out before it is asked for, as far as it is remembered. */
function bindAhead({ context, judgedAs }: Connection, world: World): void {
  if (context === null || judgedAs === null) return
  const policy = judgedAs === 'http' ? world.httpPolicy : world.tcpPolicy
  if (!policy.bindings.full) bind(policy, context)
}
