/**
 * A whole data thread in this process, with real listeners on loopback, real TLS and a clock moved by hand. Snapshots
 * and secrets are handed to it as the control thread would; nothing of it is replaced by a double.
 */
import assert from 'node:assert/strict'
import { accessLogFlushMs, DataThread } from '../../src/dataplane/data-thread.ts'
import { defaultDeadlines } from '../../src/dataplane/dataplane-settings.ts'
import type { DataplaneSettings, Deadlines } from '../../src/dataplane/dataplane-settings.ts'
import type { FromWorker, Question, ThreadMetrics } from '../../src/dataplane/worker-protocol.ts'
import type { DecisionName, ExplainedDecision } from '../../src/dataplane/decisions/recent-decisions.ts'
import type { DecisionLine } from '../../src/telemetry/decision-line.ts'
import type { EndpointReport } from '../../src/dataplane/thread-report.ts'
import { packSnapshot } from '../../src/dataplane/packed-snapshot.ts'
import { partHashes } from '../../src/discovery/build-snapshot.ts'
import type { InboundPort, Snapshot } from '../../src/discovery/snapshot.ts'
import { defaultLimits } from '../../src/http1/message.ts'
import type { Timer } from '../../src/lifecycle/clock.ts'
import type { MeshConfig } from '../../src/policy/mesh-config.ts'
import type { EffectiveMtls } from '../../src/policy/peer-authentication.ts'
import type { PortProtocol } from '../../src/policy/service.ts'
import type { Workload } from '../../src/policy/workload.ts'
import { decodeResource } from '../../src/policy/decode-resource.ts'
import type { AuthorizationPolicy } from '../../src/policy/authorization-policy.ts'
import { readDocuments } from '../../src/policy/read-documents.ts'
import { ManualClock } from './manual-clock.ts'
import type { Issued } from './test-ca.ts'

/** Access records are handed over at once: waiting for one is then waiting for the event itself. */
export class HarnessClock extends ManualClock {
  override after(ms: number, task: () => void): Timer {
    if (ms !== accessLogFlushMs) return super.after(ms, task)
    queueMicrotask(task)
    return { cancel: () => undefined }
  }
}

export interface HarnessOptions {
  /** Applications behind explicit inbound listeners, by port on loopback. */
  readonly applications?: readonly number[]
  readonly outbound?: boolean
  readonly deadlines?: Partial<Deadlines>
  readonly settings?: Partial<DataplaneSettings>
  readonly decisionKey?: Uint8Array
}

export type AccessLine = Record<string, string | number | null>

export const meshConfig: MeshConfig = {
  trustDomain: 'cluster.local',
  trustDomainAliases: [],
  rootNamespace: 'istio-system',
  domain: 'cluster.local',
  pathNormalization: 'BASE',
  outboundTrafficPolicy: 'ALLOW_ANY',
  enableAutoMtls: true,
  protocolDetectionTimeoutMs: 0,
  connectTimeoutMs: 10_000,
  extensionProviders: [],
  meshMtls: { minProtocolVersion: 'TLSv1.2', cipherSuites: [] },
  accessLogFile: '',
}

export const web: Workload = {
  name: 'web',
  namespace: 'shop',
  serviceAccount: 'web',
  labels: { app: 'web', version: 'v1' },
  addresses: ['127.0.0.1'],
}

export type SnapshotParts = Partial<Omit<Snapshot, 'mesh' | 'generation' | 'hash' | 'parts'>> & {
  readonly mesh?: Partial<MeshConfig>
}

export class Harness {
  readonly clock: HarnessClock
  readonly inbound: number[] = []
  readonly outbound: number[] = []
  readonly notices: string[] = []
  readonly told: FromWorker[] = []
  readonly #lines: AccessLine[] = []
  readonly #waiting: ((line: AccessLine) => void)[] = []
  /** Lines of the decision log that nobody asked for, in order. */
  readonly decisions: DecisionLine[] = []
  /** A writer that takes nothing. */
  holdDecisions = false
  #untaken = 0
  readonly #decisionsWanted: (() => void)[] = []
  #thread: DataThread | null = null
  #generation = 0
  #question = 0

  constructor(clock: HarnessClock) {
    this.clock = clock
  }

  static async start(options: HarnessOptions = {}): Promise<Harness> {
    const harness = new Harness(new HarnessClock())
    const settings = harnessSettings(options)
    harness.#thread = await DataThread.start(
      { index: 0, settings, decisionKey: options.decisionKey ?? null },
      harness.clock,
      (message) => harness.#hear(message),
    )
    return harness
  }

  get thread(): DataThread {
    return this.#thread as DataThread
  }

  get port(): number {
    return this.inbound[0] as number
  }

  get proxy(): number {
    return this.outbound[0] as number
  }

  /** A snapshot of nothing but what is given comes into force. */
  apply(parts: SnapshotParts = {}): void {
    this.offer(parts)
    // Compiling goes on in turns of the loop, which are the clock's to give.
    this.clock.advance(0)
    assert.deepEqual(this.told.at(-1), { type: 'applied', generation: this.#generation })
  }

  /** The same snapshot on its way: nothing of it is in force before the clock gives turns. */
  offer(parts: SnapshotParts = {}): void {
    this.#generation += 1
    this.thread.hear({ type: 'snapshot', snapshot: packSnapshot(snapshotOf(this.#generation, parts)) })
  }

  identity(own: Issued, trustBundles: Record<string, string>): void {
    const { certificateChain, privateKey } = own
    this.thread.hear({ type: 'secrets', secrets: { certificateChain, privateKey, trustBundles } })
  }

  /** The next access record, in order of ending; waits for it. */
  record(): Promise<AccessLine> {
    const line = this.#lines.shift()
    return line === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(line)
  }

  /** Records nobody asked for. */
  get unread(): readonly AccessLine[] {
    return this.#lines
  }

  /** The next line of the decision log; waits for it. */
  async decision(): Promise<DecisionLine> {
    while (this.decisions.length === 0)
      await new Promise<void>((resolve) => this.#decisionsWanted.push(resolve))
    return this.decisions.shift() as DecisionLine
  }

  /** Tells the thread that all lines so far are written. */
  takeDecisions(): void {
    const bytes = this.#untaken
    this.#untaken = 0
    this.thread.hear({ type: 'decisions-taken', bytes })
  }

  explain(name: DecisionName): ExplainedDecision | null {
    return this.#ask({ explain: name }) as ExplainedDecision | null
  }

  metrics(): ThreadMetrics {
    return this.#ask('metrics') as ThreadMetrics
  }

  clusters(): EndpointReport[] {
    return this.#ask('clusters') as EndpointReport[]
  }

  /** Resolves when no connection of either direction is left, without ending any. */
  async quiet(): Promise<void> {
    for (let turn = 0; turn < 5000; turn += 1) {
      const { connections } = this.metrics()
      if (connections.inbound + connections.outbound === 0) return
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.fail(`connections are left: ${JSON.stringify(this.metrics().connections)}`)
  }

  /** Ends the thread and proves that it left nothing: connections, pools, timers. */
  async stop(): Promise<void> {
    this.thread.hear({ type: 'close' })
    await this.quiet()
    const { pools, handshakes } = this.metrics()
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(handshakes, 0, 'handshakes are left')
    assert.equal(pools.mesh.open + pools.application.open, 0, 'pooled connections are left')
    assert.equal(pools.mesh.pending + pools.application.pending, 0, 'requests wait for connections')
    assert.equal(this.clock.pending, 0, 'timers are left')
    assert.deepEqual(
      this.notices.filter((notice) => notice.startsWith('fault')),
      [],
    )
  }

  #ask(question: Question): unknown {
    this.#question += 1
    this.thread.hear({ type: 'ask', id: this.#question, question })
    const answer = this.told.pop()
    assert.ok(answer?.type === 'answer' && answer.id === this.#question)
    return answer.answer
  }

  #hear(message: FromWorker): void {
    if (message.type === 'access-log') {
      const lines = Buffer.from(message.lines).toString().split('\n').slice(0, -1)
      for (const line of lines) this.#arrive(JSON.parse(line) as AccessLine)
      return
    }
    if (message.type === 'decisions') {
      const text = Buffer.from(message.lines).toString()
      for (const line of text.split('\n').slice(0, -1)) this.decisions.push(JSON.parse(line) as DecisionLine)
      for (const wake of this.#decisionsWanted.splice(0)) wake()
      this.#untaken += message.lines.byteLength
      if (!this.holdDecisions) this.takeDecisions()
      return
    }
    if (message.type === 'listening') this[message.direction].push(message.address.port)
    if (message.type === 'notice') this.notices.push(message.message)
    this.told.push(message)
  }

  #arrive(line: AccessLine): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#lines.push(line)
    else waiting(line)
  }
}

export function snapshotOf(generation: number, parts: SnapshotParts = {}): Snapshot {
  const { mesh, ...rest } = parts
  const content = {
    mesh: { ...meshConfig, ...mesh },
    workload: web,
    authorizationPolicies: [],
    requestAuthentications: [],
    tokenRefusals: [],
    peerAuthentications: [],
    destinationRules: [],
    services: [],
    inboundPorts: [],
    defaultMtls: 'PERMISSIVE' as const,
    quarantine: [],
    ...rest,
  }
  return { generation, hash: String(generation), parts: partHashes(content), ...content }
}

export function harnessSettings(options: HarnessOptions = {}): DataplaneSettings {
  return {
    interception: 'NONE',
    inboundCapture: [],
    inboundMappings: (options.applications ?? []).map((port) => ({
      listen: { address: '127.0.0.1', port: 0 },
      target: { address: '127.0.0.1', port },
    })),
    outbound: options.outbound === true ? [{ address: '127.0.0.1', port: 0 }] : [],
    ownPorts: [],
    inboundSourceV4: '127.0.0.6',
    inboundSourceV6: '::6',
    limits: defaultLimits,
    deadlines: { ...defaultDeadlines, ...options.deadlines },
    reusePort: false,
    maxConnections: 1000,
    maxHandshakes: 256,
    sliceMs: 1,
    accessLog: true,
    decisions: { log: true, sampleRate: 1, showValues: false },
    serverHeader: { inbound: 'istio-envoy', outbound: 'envoy' },
    ...options.settings,
  }
}

export function inboundPort(port: number, protocol: PortProtocol, mtls: EffectiveMtls): InboundPort {
  return {
    port,
    protocol,
    mtls,
    service: { hostname: 'web.shop.svc.cluster.local', name: 'web', namespace: 'shop' },
  }
}

/** AuthorizationPolicies from YAML, all of them taken to select the workload. */
export function policies(yaml: string): AuthorizationPolicy[] {
  const { resources, problems } = readDocuments(yaml, 'test.yaml')
  assert.deepEqual(problems, [])
  return resources.map((resource) => {
    const decoded = decodeResource(resource, meshConfig)
    assert.equal(decoded.kind, 'AuthorizationPolicy', JSON.stringify(decoded))
    return (decoded as { value: AuthorizationPolicy }).value
  })
}

/** One AuthorizationPolicy: `action` and flow-style YAML rules. */
export function policy(action: 'ALLOW' | 'DENY', rules: string, name = 'p'): AuthorizationPolicy[] {
  return policies(
    `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ${name}, namespace: shop}\n` +
      `spec: {action: ${action}, rules: ${rules}}\n`,
  )
}
