/**
 * The mesh's gRPC server: one TLS port with a certificate of its own from the authority, renewed while it runs. It has no
 * service of its own: the composer adds the CA's and the config server's to it.
 */
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { Server, logVerbosity, setLogVerbosity } from '@grpc/grpc-js'
import type { Clock, Timer } from '../lifecycle/clock.ts'
import type { Authority } from './authority.ts'
import type { Log } from '../lifecycle/log.ts'
import { CaError } from './ca-error.ts'
import { VerifyIfGiven } from './server-credentials.ts'
import type { ServerPair } from './server-credentials.ts'

export interface MeshServerOptions {
  readonly authority: Authority
  /** IP to bind. */
  readonly address: string
  /** 0 picks a free one. */
  readonly port: number
  readonly dnsNames?: readonly string[]
  readonly ips?: readonly string[]
  /** The server's own SPIFFE ID; Default `spiffe://TD/ns/istio-system/sa/istiod`. */
  readonly uri?: string
  readonly clock: Clock
  readonly log: Log
  /** Seconds. */
  readonly certificateTtl?: number
}

export interface MeshServer {
  readonly server: Server
  readonly port: number
  /** Finishes calls under way; streams are told to end. May be called twice. */
  close(): Promise<void>
  destroy(): void
}

export const istiodNames: readonly string[] = ['istiod.istio-system.svc', 'istiod.istio-system', 'localhost']
const loopback: readonly string[] = ['127.0.0.1', '::1']
const renewAgainMs = 60_000

export async function startMeshGrpcServer(
  options: MeshServerOptions,
  addServices: (server: Server) => void = () => undefined,
): Promise<MeshServer> {
  const { clock, log } = options
  // What the library would print by itself comes back as an error, and is reported once, as one line.
  setLogVerbosity(logVerbosity.NONE)
  const first = await ownPair(options)
  const credentials = new VerifyIfGiven(first.pair)
  const server = new Server({
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.max_concurrent_streams': 1000,
  })
  addServices(server)

  let timer: Timer | null = null
  let closed = false
  const renewAt = (notAfter: number) => schedule((notAfter - clock.now()) / 2)
  const schedule = (ms: number) => {
    if (!closed) timer = clock.after(Math.max(ms, 1000), () => void renew())
  }
  const renew = async () => {
    try {
      const next = await ownPair(options)
      credentials.update(next.pair)
      renewAt(next.notAfter)
    } catch (error) {
      log.error('the control plane cannot renew its own certificate', { error: String(error) })
      schedule(renewAgainMs)
    }
  }

  const port = await bind(server, options, credentials)
  renewAt(first.notAfter)
  let closing: Promise<void> | null = null
  const end = () => {
    closed = true
    timer?.cancel()
  }
  return {
    server,
    port,
    close() {
      end()
      closing ??= new Promise((resolve) => server.tryShutdown(() => resolve()))
      return closing
    },
    destroy() {
      end()
      server.forceShutdown()
    },
  }
}

function bind(server: Server, options: MeshServerOptions, credentials: VerifyIfGiven): Promise<number> {
  const { address } = options
  const target = `${address.includes(':') ? `[${address}]` : address}:${options.port}`
  return new Promise((resolve, reject) => {
    server.bindAsync(target, credentials, (error, port) => {
      if (error === null) return resolve(port)
      const mend = 'stop what listens there, or choose another port'
      reject(new CaError('ERR_CA_BIND', `cannot listen on ${target}`, mend, { cause: error }))
    })
  })
}

async function ownPair(options: MeshServerOptions): Promise<{ pair: ServerPair; notAfter: number }> {
  const { authority, clock } = options
  const now = clock.now()
  if (authority.notAfter <= now) {
    throw new CaError('ERR_CA_EXPIRED', 'the signing certificate has expired', 'replace the authority')
  }
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const notAfter = Math.min(now + (options.certificateTtl ?? 24 * 3600) * 1000, authority.notAfter)
  const leaf = await authority.sign({
    publicKey: createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    uris: [options.uri ?? `spiffe://${authority.trustDomain}/ns/istio-system/sa/istiod`],
    dnsNames: options.dnsNames ?? istiodNames,
    ips: options.ips ?? loopback,
    notBefore: now - 2 * 60_000,
    notAfter,
  })
  const pair = {
    certificateChain: leaf + authority.chainPem,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    clientRoots: authority.rootPem,
  }
  return { pair, notAfter }
}
