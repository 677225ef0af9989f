/** Certificates are replaced while requests flow, and no request notices. */
import { Agent } from 'node:http'
import { pause } from '../eventually.ts'
import type { RunningMesh } from '../running-mesh.ts'
import type { Tier } from '../topology.ts'
import { demand, outcomeAs } from './check.ts'
import type { Check, Outcome } from './check.ts'
import { certificateOf } from './identities.ts'

const callers = 4
const rotations = 2
/** Milliseconds: with the tour's certificates two rotations take about eight seconds. */
const patienceMs = 20_000

export const rotationIsUnnoticed: Check = {
  name: `rotation under load: ${rotations} new certificates on both sides, no request fails`,
  async run(mesh) {
    const { frontend, backend } = mesh.topology
    const load = new Load(mesh)
    try {
      const [client, server] = await Promise.all([rotate(frontend), rotate(backend)])
      const { requests, failures } = await load.stop()
      const [first] = failures
      demand(
        first === undefined,
        'no failed request',
        `${failures.length} of ${requests}, first ${first?.text}`,
      )
      demand(requests > 100, 'a load worth the name', `${requests} requests`)
      const connections = load.connections()
      demand(connections > 1, 'new connections under the new certificates', `${connections}`)
      return `${requests} requests, 0 failed, ${client} + ${server} certificates, ${connections} connections`
    } finally {
      await load.stop()
    }
  },
}

/** Resolves with how many certificates were seen in force, the first included. */
async function rotate(tier: Tier): Promise<number> {
  const serials = new Set<string>()
  const start = performance.now()
  while (serials.size <= rotations) {
    serials.add((await certificateOf(tier)).serial)
    const late = performance.now() - start > patienceMs
    demand(!late, `${rotations} rotations of ${tier.name} in ${patienceMs} ms`, `${serials.size - 1}`)
    await pause(100)
  }
  return serials.size
}

/** Requests one after another from a few callers at once, each reply looked at. */
class Load {
  readonly #mesh: RunningMesh
  readonly #agent = new Agent({ keepAlive: true, maxSockets: callers })
  readonly #failures: Outcome[] = []
  readonly #loops: Promise<void>[]
  #requests = 0
  #running = true

  constructor(mesh: RunningMesh) {
    this.#mesh = mesh
    this.#loops = Array.from({ length: callers }, () => this.#loop())
  }

  async stop(): Promise<{ readonly requests: number; readonly failures: readonly Outcome[] }> {
    this.#running = false
    await Promise.all(this.#loops)
    this.#agent.destroy()
    return { requests: this.#requests, failures: this.#failures }
  }

  /** Different connections between the sidecars that carried the load. */
  connections(): number {
    const { frontend } = this.#mesh.topology
    const lines = this.#mesh.log(frontend).filter((line) => line.path?.endsWith('/under-load') === true)
    return new Set(lines.map((line) => line.upstream_local_address)).size
  }

  async #loop(): Promise<void> {
    const { frontend, backend } = this.#mesh.topology
    while (this.#running) {
      const seen = await outcomeAs(frontend, `http://${backend.shortName}/under-load`, { agent: this.#agent })
      this.#requests += 1
      if (seen.status !== 200) this.#failures.push(seen)
      // Load, not a benchmark: the machine has other work.
      await pause(2)
    }
  }
}
