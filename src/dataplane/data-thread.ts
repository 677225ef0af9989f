/**
 * Assembles a data thread and obeys the control thread: snapshots go to the succession of worlds, new secrets become new
 * TLS contexts, and live connections are left alone but for those whose verdict flipped.
 */
import { AccessLog } from '../telemetry/access-log.ts'
import { DecisionLog } from '../telemetry/decision-log.ts'
import { TrafficMetrics } from '../telemetry/traffic-metrics.ts'
import { ValueVeil } from '../telemetry/value-veil.ts'
import { TlsContexts } from '../tls/tls-contexts.ts'
import type { SocketAddress } from '../address/socket-address.ts'
import type { SecretSet } from '../identity/svid.ts'
import type { Clock, Timer } from '../lifecycle/clock.ts'
import { ExtAuthzProviders } from '../ext-authz/providers.ts'
import { KeyRing } from '../jwt/key-ring.ts'
import type { Log } from '../lifecycle/log.ts'
import { Turnstile } from '../lifecycle/turnstile.ts'
import { authorizerTrust } from './authorizer-trust.ts'
import { ConnectionTable } from './connection-table.ts'
import type { DataPlane } from './data-plane.ts'
import type { DataplaneSettings } from './dataplane-settings.ts'
import { DecisionJournal } from './decisions/decision-journal.ts'
import { acceptInbound } from './inbound/accept.ts'
import { Listener } from './listener.ts'
import { localAddress } from './local-address.ts'
import { acceptOutbound } from './outbound/accept.ts'
import { MeshPool } from './outbound/mesh-pool.ts'
import { UpstreamPool } from './outbound/upstream-pool.ts'
import { recheckTrust } from './recheck-trust.ts'
import { Succession } from './succession.ts'
import { TimerWheel } from './timer-wheel.ts'
import { settleShapes } from './settle-shapes.ts'
import { threadReport } from './thread-report.ts'
import type { FromWorker, ToWorker, WorkerInit } from './worker-protocol.ts'

/** `transfer` moves buffers instead of copying them. */
type Tell = (message: FromWorker, transfer?: ArrayBuffer[]) => void

/** How long an access record may wait before the control thread gets it. */
export const accessLogFlushMs = 125

export class DataThread {
  readonly #plane: DataPlane
  readonly #tell: Tell
  readonly #accessLog: AccessLog | null
  readonly #decisionLog: DecisionLog | null
  readonly #listeners: Listener[] = []
  readonly #succession: Succession
  #idleCheck: Timer | null = null

  private constructor(
    plane: DataPlane,
    accessLog: AccessLog | null,
    decisionLog: DecisionLog | null,
    tell: Tell,
  ) {
    this.#plane = plane
    this.#accessLog = accessLog
    this.#decisionLog = decisionLog
    this.#tell = tell
    this.#succession = new Succession(plane, tell)
  }

  /** Resolves when every listener is bound; they close what comes before the first snapshot. */
  static async start(init: WorkerInit, clock: Clock, tell: Tell): Promise<DataThread> {
    const { settings } = init
    settleShapes()
    const accessLog = settings.accessLog
      ? new AccessLog({
          clock,
          flushMs: accessLogFlushMs,
          batchBytes: 128 * 1024,
          sink: (lines) => tell({ type: 'access-log', lines }, [lines.buffer]),
        })
      : null
    const decisionLog = settings.decisions.log
      ? new DecisionLog({
          clock,
          flushMs: accessLogFlushMs,
          batchBytes: 64 * 1024,
          mostWaiting: 4 * 1024 * 1024,
          sink: (lines, count) => tell({ type: 'decisions', lines, count }, [lines.buffer]),
        })
      : null
    const { sampleRate, showValues } = settings.decisions
    const veil = new ValueVeil(showValues, init.decisionKey)
    const journal = new DecisionJournal({ clock, random: Math.random, veil, log: decisionLog }, sampleRate)
    const plane = await makePlane(settings, clock, accessLog, journal, tell)
    const thread = new DataThread(plane, accessLog, decisionLog, tell)
    await thread.#listen(settings)
    thread.#idleCheck = clock.every(settings.deadlines.tcpIdleMs, () => {
      for (const session of [...plane.sessions]) session.checkIdle()
    })
    return thread
  }

  hear(message: ToWorker): void {
    switch (message.type) {
      case 'snapshot':
        this.#succession.offer(message.snapshot)
        break
      case 'secrets':
        this.#applySecrets(message.secrets)
        break
      case 'key-sets':
        this.#plane.keyRing.update(message.sets)
        break
      case 'written':
        this.#accessLog?.reuse(message.buffer)
        break
      case 'drain':
        void this.#drain(message.direction)
        break
      case 'ask':
        this.#tell({
          type: 'answer',
          id: message.id,
          answer: threadReport(
            message.question,
            this.#plane,
            this.#listeners,
            this.#decisionLog?.dropped ?? 0,
          ),
        })
        break
      case 'decisions-taken':
        this.#decisionLog?.taken(message.bytes)
        break
      case 'close':
        void this.#close()
        break
    }
  }

  #applySecrets(secrets: SecretSet): void {
    const { contexts, meshPool } = this.#plane
    const trusted = contexts.bundles?.hash
    const update = contexts.update(secrets)
    if (!update.ok)
      this.#tell({ type: 'notice', level: 'warn', message: `new certificate not usable: ${update.reason}` })
    // Idle connections under the old identity go; those in use finish their request (architecture §2).
    else if (update.changed) meshPool.drainAll()
    if (trusted !== contexts.bundles?.hash) recheckTrust(this.#plane)
  }

  async #drain(direction: 'inbound' | 'outbound'): Promise<void> {
    const { table } = this.#plane
    if (direction === 'inbound') this.#plane.draining = true
    table.drain(direction)
    await table.empty(direction)
    this.#flush()
    this.#tell({ type: 'drained', direction })
  }

  async #close(): Promise<void> {
    this.#idleCheck?.cancel()
    this.#succession.close()
    this.#plane.keyRing.close()
    const authorizersClosed = this.#plane.authorizers.close()
    for (const listener of this.#listeners) listener.close()
    this.#plane.table.destroy()
    this.#plane.meshPool.destroyAll()
    this.#plane.applicationPool.destroyAll()
    this.#plane.wheel.close()
    // What was cut tells its end a little later: its record belongs to the log as well.
    const { table } = this.#plane
    await Promise.all([table.empty('inbound'), table.empty('outbound'), authorizersClosed])
    await new Promise((resolve) => setImmediate(resolve))
    this.#flush()
    this.#tell({ type: 'closed' })
  }

  #flush(): void {
    this.#accessLog?.flush()
    this.#decisionLog?.flush()
  }

  async #listen(settings: DataplaneSettings): Promise<void> {
    const plane = this.#plane
    for (const address of settings.inboundCapture) {
      await this.#bind('inbound', address, settings, (socket) => acceptInbound(socket, null, plane), true)
    }
    for (const mapping of settings.inboundMappings) {
      await this.#bind(
        'inbound',
        mapping.listen,
        settings,
        (socket) => acceptInbound(socket, mapping, plane),
        false,
      )
    }
    for (const address of settings.outbound) {
      await this.#bind('outbound', address, settings, (socket) => acceptOutbound(socket, plane), true)
    }
  }

  async #bind(
    direction: 'inbound' | 'outbound',
    address: SocketAddress,
    settings: DataplaneSettings,
    onConnection: Parameters<typeof Listener.bind>[1],
    /** Not where the mesh reaches the application: a workload may call its own service. */
    own: boolean,
  ): Promise<void> {
    const listener = await Listener.bind(
      { address, reusePort: settings.reusePort, maxConnections: settings.maxConnections },
      onConnection,
    )
    this.#listeners.push(listener)
    if (own) this.#plane.ownPorts.add(listener.address.port)
    this.#tell({ type: 'listening', direction, address: listener.address })
  }
}

async function makePlane(
  settings: DataplaneSettings,
  clock: Clock,
  accessLog: AccessLog | null,
  journal: DecisionJournal,
  tell: Tell,
): Promise<DataPlane> {
  const wheel = new TimerWheel(clock)
  const pool = {
    limits: settings.limits,
    wheel,
    idleMs: settings.deadlines.upstreamIdleMs,
    maxConnections: 1_000_000,
    maxPending: 1_000_000,
    probeAfterMs: 1000,
  }
  const contexts = new TlsContexts({
    minVersion: 'TLSv1.2',
    cipherSuites: [],
    clock,
    readFile: await fileReader(),
  })
  return {
    settings,
    clock,
    wheel,
    contexts,
    keyRing: new KeyRing({ clock, refetch: (source) => tell({ type: 'refetch-keys', source }) }),
    authorizers: new ExtAuthzProviders({ clock, log: noticeLog(tell) }),
    routed: {
      random: Math.random,
      protection: authorizerTrust(contexts, settings.deadlines.handshakeMs),
    },
    askedAgain: new Turnstile(64),
    table: new ConnectionTable(),
    applicationPool: new UpstreamPool(pool),
    meshPool: new MeshPool(pool, new UpstreamPool(pool)),
    originalDestination: settings.interception === 'REDIRECT' ? await fromKernel() : localAddress,
    ownPorts: new Set(settings.ownPorts),
    ownAddresses: ownAddresses(settings),
    random: Math.random,
    metrics: new TrafficMetrics(),
    sessions: new Set(),
    refusals: new Map(),
    handshakes: 0,
    world: null,
    draining: false,
    journal,
    recording: accessLog !== null,
    finished: accessLog === null ? () => undefined : (record) => accessLog.write(record),
    fault: (error) =>
      tell({
        type: 'notice',
        level: 'warn',
        message: `fault: ${error instanceof Error ? error.stack : String(error)}`,
      }),
  }
}

/** Log lines of rooms below, on their way to the control thread. */
function noticeLog(tell: Tell): Log {
  const at =
    (level: 'info' | 'warn'): Log['info'] =>
    (message, fields = {}) => {
      const told = Object.entries(fields).map(([name, value]) => `${name} ${JSON.stringify(value)}`)
      tell({ type: 'notice', level, message: [message, ...told].join(', ') })
    }
  return { info: at('info'), warn: at('warn'), error: at('warn') }
}

// The C library is loaded only where interception asks for it.
async function fromKernel(): Promise<DataPlane['originalDestination']> {
  const { kernelOriginalDestination } = await import('./original-destination.ts')
  return kernelOriginalDestination()
}

async function fileReader(): Promise<(path: string) => string> {
  const { readFileSync } = await import('node:fs')
  return (path) => readFileSync(path, 'utf8')
}

function ownAddresses(settings: DataplaneSettings): ReadonlySet<string> {
  const bound = [
    ...settings.outbound,
    ...settings.inboundCapture,
    ...settings.inboundMappings.map(({ listen }) => listen),
  ]
  return new Set(['127.0.0.1', '::1', ...bound.map(({ address }) => address)])
}
