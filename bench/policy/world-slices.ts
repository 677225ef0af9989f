/**
 * A snapshot of many policies and services brought to a world as a data thread does it: in slices, beside an event loop
 * that goes on. Slices are measured in CPU time of the thread: what the machine does beside does not count.
 */
import { packSnapshot, unpackSnapshot } from '../../src/dataplane/packed-snapshot.ts'
import { buildWorld, type World } from '../../src/dataplane/world.ts'
import type { PartHashes, Snapshot } from '../../src/discovery/snapshot.ts'
import { ExtAuthzProviders } from '../../src/ext-authz/providers.ts'
import { KeyRing } from '../../src/jwt/key-ring.ts'
import { systemClock, type Clock } from '../../src/lifecycle/clock.ts'
import { runSliced, type Steps } from '../../src/lifecycle/steps.ts'
import type { AuthorizationPolicy } from '../../src/policy/authorization-policy.ts'
import { defaultMeshConfig } from '../../src/policy/decode-mesh-config.ts'
import type { Service } from '../../src/policy/service.ts'

/** As the data thread is told. */
const sliceMs = 1

export interface Slices {
  readonly packMs: number
  /** CPU milliseconds of each slice. */
  readonly slices: readonly number[]
  /** CPU milliseconds by what was done, in the order of doing; the last is for tokens, ports and the whole. */
  readonly parts: ReadonlyMap<string, number>
  readonly world: World
}

export const total = ({ slices }: Slices): number => slices.reduce((sum, slice) => sum + slice, 0)
export const longest = ({ slices }: Slices): number => Math.max(...slices)

export function worldOf(
  policies: readonly AuthorizationPolicy[],
  services: readonly Service[],
  before: World | null,
  hashes: PartHashes,
): Promise<Slices> {
  const began = threadCpuMs()
  const packed = packSnapshot(snapshotOf(policies, services, hashes))
  const packMs = threadCpuMs() - began
  const slices: number[] = []
  const clock: Clock = {
    ...systemClock,
    soon: (task) =>
      systemClock.soon(() => {
        const start = threadCpuMs()
        task()
        slices.push(threadCpuMs() - start)
      }),
  }
  const parts = new Map<string, number>()
  let mark = threadCpuMs()
  const note = (part: string): void => {
    const now = threadCpuMs()
    parts.set(part, now - mark)
    mark = now
  }
  function* build(): Steps<World> {
    const snapshot = yield* unpackSnapshot(packed, before?.snapshot ?? null)
    note('read')
    const world = yield* buildWorld(snapshot, before, worldParts)
    note('compile')
    return world
  }
  return new Promise((resolve, reject) => {
    runSliced(
      build(),
      { clock, sliceMs },
      // The slice that ends it is told of when it is over.
      (world) => setImmediate(() => resolve({ packMs, slices, parts, world })),
      reject,
    )
  })
}

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const worldParts = {
  keyRing: new KeyRing({ clock: systemClock, refetch: () => undefined }),
  authorizers: new ExtAuthzProviders({ clock: systemClock, log: silent }),
  routed: { random: Math.random, protection: () => null },
}

/** Linux brings a running thread's own account up to date only when it sums up the process: without that, ticks of 4 ms. */
function threadCpuMs(): number {
  process.cpuUsage()
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

function snapshotOf(
  authorizationPolicies: readonly AuthorizationPolicy[],
  services: readonly Service[],
  parts: PartHashes,
): Snapshot {
  return {
    generation: 1,
    hash: '',
    parts,
    mesh: defaultMeshConfig,
    workload: { name: 'app', namespace: 'foo', serviceAccount: 'app', labels: {}, addresses: ['10.0.0.2'] },
    authorizationPolicies,
    requestAuthentications: [],
    tokenRefusals: [],
    peerAuthentications: [],
    destinationRules: [],
    services,
    inboundPorts: [],
    defaultMtls: 'STRICT',
    quarantine: [],
  }
}

/** Two ports and three endpoints a service, as a registry has them. */
export function manyServices(count: number): Service[] {
  return Array.from({ length: count }, (_, i) => {
    const [name, namespace] = [`svc-${i}`, `team-${i % 50}`]
    const low = `${(i >> 8) & 255}.${i & 255}`
    return {
      meta: { name, namespace, labels: { app: name }, annotations: {}, createdAt: 1000 + i, origin: 'bench' },
      hostname: `${name}.${namespace}.svc.cluster.local`,
      addresses: [`10.96.${low}`],
      ports: [
        { number: 80, name: 'http', protocol: 'http' },
        { number: 9090, name: 'grpc', protocol: 'grpc' },
      ],
      endpoints: Array.from({ length: 3 }, (_, e) => ({
        address: `10.${e}.${low}`,
        ports: { '80': 8080, '9090': 9090 },
        labels: { app: name, version: 'v1', 'security.istio.io/tlsMode': 'istio' },
        namespace,
        serviceAccount: name,
        weight: 1,
        ready: true,
      })),
      resolution: 'STATIC',
      location: 'MESH_INTERNAL',
      headless: false,
      subjectAltNames: [],
      exportTo: [],
    }
  })
}
