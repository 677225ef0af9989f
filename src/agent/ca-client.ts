/**
 * Asks a CA for a certificate over istio.v1.auth (dataplane §6.1): TLS, fresh credentials at each attempt, bounded
 * retries. It makes no keys and judges no certificate; what comes back is what the CA said.
 */
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import type { Client, Metadata } from '@grpc/grpc-js'
import type { Clock } from '../lifecycle/clock.ts'
import { callReason } from '../proto/call-reason.ts'
import { loadProto } from '../proto/load-proto.ts'
import { toStruct } from '../proto/struct.ts'
import { AgentError } from './agent-error.ts'
import { severable } from './severable.ts'
import type { WorkloadSecret } from './workload-secret.ts'

export interface CaClientOptions {
  /** `host:port`. */
  readonly address: string
  /** PEM anchors for the CA's own certificate; read anew at each attempt. */
  readonly rootFile: string
  /** Overrides the name the CA's certificate must bear (ISTIOD_SAN). */
  readonly serverName?: string
  /** Read anew at each attempt, trimmed; null = certificates only. */
  readonly tokenFile: string | null
  readonly clusterId?: string
  /** Extra metadata (CA_HEADER_*). */
  readonly headers?: Readonly<Record<string, string>>
  readonly attempts?: number
  readonly attemptMs?: number
}

export interface CaClientDeps {
  readonly clock: Clock
  readonly random: () => number
}

/** A certificate to show instead of a token, PEM; expired ones are not shown. */
export type ClientPair = Pick<WorkloadSecret, 'certificateChain' | 'privateKey' | 'notAfter'>

type Answer =
  | { readonly ok: true; readonly chain: readonly string[] }
  | { readonly ok: false; readonly code: number; readonly details: string }

const istiod = 'istiod.istio-system.svc'
// Canceled, DeadlineExceeded, ResourceExhausted, Aborted, Internal, Unavailable.
const retried = new Set([1, 4, 8, 10, 13, 14])
const cancelled: Answer = { ok: false, code: 4, details: 'no answer in time' }

export class CaClient {
  readonly #deps: CaClientDeps
  readonly #options: CaClientOptions

  constructor(deps: CaClientDeps, options: CaClientOptions) {
    this.#deps = deps
    this.#options = options
  }

  /** The CA's elements, as sent. Each attempt opens its own connection, so that new roots and tokens count at once. */
  async createCertificate(
    csr: string,
    ttlSeconds: number,
    pair: ClientPair | null,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const { attempts = 5, address } = this.#options
    let shown = pair !== null && pair.notAfter > this.#deps.clock.now() ? pair : null
    let last: Answer = cancelled
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (attempt > 0) await this.#wait(100 * 2 ** (attempt - 1), signal)
      last = await this.#attempt(csr, ttlSeconds, shown, signal)
      if (last.ok) return last.chain
      const withCertificate = shown !== null
      // A CA that does not know our certificate (its root changed, it cut the handshake) may still take the token.
      shown = null
      if (!retried.has(last.code) && !(withCertificate && last.code === 16)) break
    }
    if (last.ok) return last.chain
    const what = `${address}: ${last.details} (gRPC status ${last.code})`
    if (retried.has(last.code)) {
      const mend = 'check that the CA runs there and that the root file is its root'
      throw new AgentError('ERR_AGENT_CA_UNREACHABLE', `no certificate from ${what}`, mend)
    }
    const mend = 'check the token, its audience istio-ca and its expiry'
    throw new AgentError('ERR_AGENT_CA_REFUSED', `certificate request refused by ${what}`, mend)
  }

  async #attempt(csr: string, ttl: number, pair: ClientPair | null, signal: AbortSignal): Promise<Answer> {
    const root = await this.#readRoot()
    const token = await this.#readToken(pair !== null)
    const grpc = await import('@grpc/grpc-js')
    signal.throwIfAborted()
    const metadata = new grpc.Metadata()
    if (token !== null) metadata.set('authorization', `Bearer ${token}`)
    metadata.set('clusterid', this.#options.clusterId ?? 'Kubernetes')
    for (const [name, value] of Object.entries(this.#options.headers ?? {})) metadata.set(name, value)
    let client: Client
    let sever: () => void
    try {
      const credentials = pair
        ? grpc.credentials.createSsl(root, Buffer.from(pair.privateKey), Buffer.from(pair.certificateChain))
        : grpc.credentials.createSsl(root)
      sever = severable(credentials)
      client = new grpc.Client(this.#options.address, credentials, this.#channelOptions())
    } catch (cause) {
      const { rootFile } = this.#options
      throw new AgentError('ERR_AGENT_ROOT_FILE', `${rootFile} cannot be used`, 'put PEM roots there', {
        cause,
      })
    }
    try {
      return await this.#call(
        client,
        { csr, validity_duration: ttl, metadata: toStruct({ CertSigner: '' }) },
        metadata,
        signal,
      )
    } finally {
      client.close()
      sever()
    }
  }

  #call(client: Client, request: object, metadata: Metadata, signal: AbortSignal): Promise<Answer> {
    const method = loadProto('ca.proto').service('istio.v1.auth.IstioCertificateService')['CreateCertificate']
    if (method === undefined) throw new TypeError('ca.proto has no CreateCertificate')
    return new Promise((resolve) => {
      const call = client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadata,
        (error, response) => {
          timer.cancel()
          signal.removeEventListener('abort', cancel)
          if (late) resolve(cancelled)
          else if (error) resolve({ ok: false, code: error.code, details: callReason(error.details) })
          else resolve({ ok: true, chain: (response as { cert_chain: string[] }).cert_chain })
        },
      )
      let late = false
      const cancel = () => call.cancel()
      const timer = this.#deps.clock.after(this.#options.attemptMs ?? 10_000, () => {
        late = true
        cancel()
      })
      signal.addEventListener('abort', cancel, { once: true })
    })
  }

  #channelOptions(): Record<string, string | number> {
    const name = this.#options.serverName ?? serverNameOf(this.#options.address)
    return {
      'grpc.ssl_target_name_override': name,
      'grpc.default_authority': name,
      'grpc.enable_retries': 0,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
      // Shared subchannels would bring their back-off and their old roots along.
      'grpc.use_local_subchannel_pool': 1,
    }
  }

  async #readRoot(): Promise<Buffer> {
    const { rootFile } = this.#options
    try {
      return await readFile(rootFile)
    } catch (cause) {
      const mend = "put the CA's root certificate there"
      throw new AgentError('ERR_AGENT_ROOT_FILE', `${rootFile} cannot be read`, mend, { cause })
    }
  }

  async #readToken(optional: boolean): Promise<string | null> {
    const { tokenFile } = this.#options
    if (tokenFile === null) return null
    try {
      const token = (await readFile(tokenFile, 'utf8')).trim()
      if (/^[\x21-\x7e]+$/.test(token)) return token
    } catch (cause) {
      if (optional) return null
      const mend = 'mount a service account token with audience istio-ca there'
      throw new AgentError('ERR_AGENT_TOKEN_FILE', `${tokenFile} cannot be read`, mend, { cause })
    }
    if (optional) return null
    throw new AgentError('ERR_AGENT_TOKEN_FILE', `${tokenFile} holds no token`, 'write one token into it')
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    // A signal that has fired already fires no event.
    signal.throwIfAborted()
    const { clock, random } = this.#deps
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = () => resolve()
    const timer = clock.after(ms * (1 + 0.1 * (2 * random() - 1)), wake)
    signal.addEventListener('abort', wake, { once: true })
    await promise
    timer.cancel()
    signal.removeEventListener('abort', wake)
    signal.throwIfAborted()
  }
}

/** Hosts that no certificate names (addresses, localhost) stand for istiod, as in Istio's agent. */
function serverNameOf(address: string): string {
  const host = address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return isIP(host) !== 0 || host.includes('localhost') ? istiod : host
}
