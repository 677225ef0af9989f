/**
 * The current secret in a file, 0600, so that an agent that restarts while the CA is away serves the last good one. What
 * it reads it checks like a fresh answer; what does not pass is as if it were not there.
 */
import { join } from 'node:path'
import { readPrivateFile, replaceFile } from '../jwt/private-file.ts'
import type { SpiffeId } from '../spiffe/spiffe-id.ts'
import { checkIssued } from './workload-secret.ts'
import type { WorkloadSecret } from './workload-secret.ts'

const fileName = 'workload-secret.json'

export class SecretStore {
  readonly #path: string

  constructor(directory: string) {
    this.#path = join(directory, fileName)
  }

  /** One file, replaced in one step: key and chain never part. */
  save(secret: WorkloadSecret): Promise<void> {
    return replaceFile(this.#path, JSON.stringify(secret))
  }

  /** Null when there is none that is ours and in force at `now` (milliseconds). */
  async load(expected: SpiffeId, now: number): Promise<WorkloadSecret | null> {
    const text = await readPrivateFile(this.#path)
    if (text === null) return null
    let stored: Partial<WorkloadSecret>
    try {
      stored = JSON.parse(text) as Partial<WorkloadSecret>
    } catch {
      return null
    }
    const { certificateChain, privateKey, rootPem, receivedAt } = stored
    if (typeof certificateChain !== 'string' || typeof privateKey !== 'string' || typeof rootPem !== 'string')
      return null
    if (typeof receivedAt !== 'number' || !(receivedAt <= now)) return null
    const issued = checkIssued([certificateChain, rootPem], privateKey, expected, now, receivedAt)
    return issued.ok ? issued.secret : null
  }
}
