/**
 * Serves the workload's secrets over SDS on a Unix socket, to any number of proxies (dataplane §7.3). The protocol of one
 * stream is sds-stream's; when secrets change is rotation's.
 */
import type { Server, ServerDuplexStream, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js'
import type { Clock } from '../lifecycle/clock.ts'
import type { DiscoveryRequest, DiscoveryResponse } from '../proto/discovery-messages.ts'
import { loadProto } from '../proto/load-proto.ts'
import { AgentError } from './agent-error.ts'
import type { Log } from '../lifecycle/log.ts'
import type { Rotation } from './rotation.ts'
import { openToAll, prepareSocket } from './sds-socket.ts'
import { SdsStream } from './sds-stream.ts'
import type { Resources, StreamEnd } from './sds-stream.ts'
import { istioResourceNames, resourcesOf } from './secret-resources.ts'
import type { ResourceNames } from './secret-resources.ts'

export interface SdsServerDeps {
  readonly clock: Clock
  readonly log: Log
  readonly secrets: Pick<Rotation, 'secret' | 'onFailure'>
}

export interface SdsServerOptions {
  readonly socketPath: string
  readonly names?: ResourceNames
}

type Call = ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>

// InvalidArgument, Unavailable.
const codes: Record<StreamEnd, number> = {
  'missing-node': 3,
  'wrong-type': 3,
  'unknown-name': 3,
  'no-secret': 14,
}

export class SdsServer {
  readonly #deps: SdsServerDeps
  readonly #names: ResourceNames
  readonly #streams = new Map<Call, SdsStream>()
  readonly #unsubscribe: (() => void)[] = []
  #server: Server | null = null
  #resources: Resources | null = null
  #version = ''
  #counter = 0

  private constructor(deps: SdsServerDeps, names: ResourceNames) {
    this.#deps = deps
    this.#names = names
  }

  /** Resolves once proxies can connect; they may, before the first secret is there. */
  static async listen(deps: SdsServerDeps, options: SdsServerOptions): Promise<SdsServer> {
    const { socketPath } = options
    await prepareSocket(socketPath, deps.clock)
    const self = new SdsServer(deps, options.names ?? istioResourceNames)
    await self.#bind(socketPath)
    self.#unsubscribe.push(
      deps.secrets.secret.subscribe((secret) => self.#change(resourcesOf(secret, self.#names))),
      deps.secrets.onFailure(() => {
        for (const stream of [...self.#streams.values()]) stream.onFailure()
      }),
    )
    return self
  }

  /** How many proxies' streams are open. */
  get streams(): number {
    return this.#streams.size
  }

  /** Ends every stream; the socket file goes with it. May be called twice. */
  close(): Promise<void> {
    for (const stop of this.#unsubscribe.splice(0)) stop()
    for (const call of [...this.#streams.keys()]) call.end()
    const server = this.#server
    if (server === null) return Promise.resolve()
    return new Promise((resolve) => server.tryShutdown(() => resolve()))
  }

  destroy(): void {
    for (const stop of this.#unsubscribe.splice(0)) stop()
    this.#server?.forceShutdown()
  }

  async #bind(path: string): Promise<void> {
    const { Server, ServerCredentials, logVerbosity, setLogVerbosity } = await import('@grpc/grpc-js')
    // What the library would print by itself comes back as an error, and is reported once, as one line.
    setLogVerbosity(logVerbosity.NONE)
    const server = new Server()
    this.#server = server
    // DeltaSecrets is not in the service, so the library answers Unimplemented, as Istio does.
    server.addService(loadProto('sds.proto').service('envoy.service.secret.v3.SecretDiscoveryService'), {
      StreamSecrets: (call: Call) => this.#open(call),
      FetchSecrets: (
        call: ServerUnaryCall<DiscoveryRequest, DiscoveryResponse>,
        done: sendUnaryData<DiscoveryResponse>,
      ) => this.#fetch(call.request, done),
    })
    try {
      await new Promise<void>((resolve, reject) => {
        server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
          error === null ? resolve() : reject(error),
        )
      })
      if (await openToAll(path)) {
        const mend = 'let only the proxy into its directory: chmod 0750'
        this.#deps.log.warn('every user of this machine can fetch the private key from the SDS socket', {
          socketPath: path,
          mend,
        })
      }
    } catch (cause) {
      server.forceShutdown()
      const mend = 'give this user write access to its directory'
      throw new AgentError('ERR_AGENT_SOCKET', `cannot serve ${path}`, mend, { cause })
    }
  }

  #open(call: Call): void {
    const stream = this.#stream(
      (response) => call.write(response),
      (code, details) => {
        this.#streams.delete(call)
        call.emit('error', { code, details })
      },
    )
    this.#streams.set(call, stream)
    const gone = () => void this.#streams.delete(call)
    call.on('data', (request: DiscoveryRequest) => {
      if (this.#streams.has(call)) stream.onRequest(request)
    })
    call.on('end', () => {
      gone()
      call.end()
    })
    call.on('cancelled', gone)
    call.on('close', gone)
  }

  #fetch(request: DiscoveryRequest, done: sendUnaryData<DiscoveryResponse>): void {
    let answered = false
    const once = (...answer: Parameters<typeof done>) => {
      if (!answered) done(...answer)
      answered = true
    }
    const stream = this.#stream(
      (response) => once(null, response),
      (code, details) => once({ code, details }),
    )
    stream.onRequest({ ...request, response_nonce: '' })
    // Nothing to wait on: a unary call without an answer by now asked for nothing, or too early.
    once({ code: codes['no-secret'], details: 'no such secret is there yet' })
  }

  #stream(
    send: (response: DiscoveryResponse) => void,
    end: (code: number, details: string) => void,
  ): SdsStream {
    return new SdsStream({
      known: new Set([this.#names.certificate, this.#names.bundle]),
      current: () => this.#resources,
      version: () => this.#version,
      send,
      end: (why, detail) => end(codes[why], detail),
      log: this.#deps.log,
    })
  }

  #change(resources: Resources): void {
    this.#resources = resources
    this.#counter += 1
    this.#version = `${new Date(this.#deps.clock.now()).toISOString()}/${this.#counter}`
    // Streams with the bundle first: trust is on its way before what it vouches for.
    const trust = this.#names.bundle
    const streams = [...this.#streams.values()]
    for (const stream of streams) if (stream.has(trust)) stream.onChange()
    for (const stream of streams) if (!stream.has(trust)) stream.onChange()
  }
}
