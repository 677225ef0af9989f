/**
 * The local agent, assembled: makes keys, has them signed by the CA, keeps them fresh and serves them over SDS. Each part
 * does its own work; this file only joins them and ends them.
 */
import type { SecretSet } from '../identity/svid.ts'
import type { Clock } from '../lifecycle/clock.ts'
import { Latest } from '../lifecycle/latest.ts'
import { AgentError } from './agent-error.ts'
import { CaClient } from './ca-client.ts'
import type { CaClientOptions } from './ca-client.ts'
import { newKeyAndRequest } from './csr.ts'
import type { Log } from '../lifecycle/log.ts'
import { Rotation } from './rotation.ts'
import type { RotationOptions } from './rotation.ts'
import { SdsServer } from './sds-server.ts'
import { SecretStore } from './secret-store.ts'
import type { ResourceNames } from './secret-resources.ts'
import { workloadId } from './workload.ts'
import type { AgentWorkload } from './workload.ts'
import { asSecretSet, checkIssued } from './workload-secret.ts'
import type { WorkloadSecret } from './workload-secret.ts'

export interface AgentDeps {
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
}

export interface AgentOptions {
  readonly workload: AgentWorkload
  readonly ca: CaClientOptions
  readonly socketPath: string
  /** Names to serve under; `default` and `ROOTCA` when absent. */
  readonly names?: ResourceNames
  /** Where the current secret survives a restart; null = nowhere. */
  readonly stateDirectory?: string | null
  /** Seconds; 0 = the CA's default. */
  readonly ttlSeconds?: number
  /** Whether renewals show the current certificate beside the token. */
  readonly renewWithCertificate?: boolean
  readonly rotation?: RotationOptions
}

export class Agent {
  /** Every secret in force, as a proxy would see it. */
  readonly secrets = new Latest<SecretSet>()
  readonly rotation: Rotation
  readonly sds: SdsServer
  #saving: Promise<void> = Promise.resolve()

  private constructor(rotation: Rotation, sds: SdsServer) {
    this.rotation = rotation
    this.sds = sds
  }

  /** Resolves once the socket serves; the first certificate comes when the CA gives it (`agent.secrets.first()`). */
  static async start(deps: AgentDeps, options: AgentOptions): Promise<Agent> {
    const { clock, log } = deps
    const id = workloadId(options.workload)
    const store = options.stateDirectory ? new SecretStore(options.stateDirectory) : null
    const stored = await store?.load(id, clock.now()).catch((error: unknown) => {
      log.warn('the stored certificate cannot be used', { error: String(error) })
      return null
    })
    const client = new CaClient(deps, options.ca)
    const issue = async (current: WorkloadSecret | null, signal: AbortSignal) => {
      const { privateKey, csr } = newKeyAndRequest(id.uri)
      const shown = options.renewWithCertificate === true ? current : null
      const elements = await client.createCertificate(csr, options.ttlSeconds ?? 0, shown, signal)
      const issued = checkIssued(elements, privateKey, id, clock.now())
      if (issued.ok) return issued.secret
      throw new AgentError(
        'ERR_AGENT_CA_RESPONSE',
        `the CA's answer is no certificate for us: ${issued.reason}`,
        'compare trust domain, namespace and service account with what the token names',
      )
    }
    const rotation = new Rotation({ ...deps, issue }, options.rotation)
    const { socketPath, names } = options
    const sds = await SdsServer.listen(
      { clock, log, secrets: rotation },
      { socketPath, ...(names && { names }) },
    )
    const agent = new Agent(rotation, sds)
    rotation.secret.subscribe((secret) => {
      agent.secrets.set(asSecretSet(secret, id.trustDomain))
      if (store === null) return
      agent.#saving = store.save(secret).catch((error: unknown) => {
        log.warn('the certificate cannot be stored; it serves on', { error: String(error) })
      })
    })
    rotation.start(stored ?? null)
    return agent
  }

  /** Ends renewal and every proxy's stream. May be called twice. */
  async close(): Promise<void> {
    this.rotation.close()
    await this.sds.close()
    // A certificate that is being stored is stored: a restart without the CA may need it.
    await this.#saving
  }

  destroy(): void {
    this.rotation.close()
    this.sds.destroy()
  }
}
