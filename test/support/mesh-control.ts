/**
 * A real mesh CA for tests: authority, tokens and gRPC server in a temporary directory, and a bare client to ask it
 * anything. It distributes no configuration.
 */
import * as grpc from '@grpc/grpc-js'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addCaService } from '../../src/ca/ca-server.ts'
import type { CaCounters } from '../../src/ca/ca-server.ts'
import { callAuthenticator } from '../../src/ca/call-authenticator.ts'
import type { Authority } from '../../src/ca/authority.ts'
import { startMeshGrpcServer } from '../../src/ca/mesh-server.ts'
import { openSelfSignedAuthority } from '../../src/ca/self-signed-authority.ts'
import type { SigningRules } from '../../src/ca/sign-svid.ts'
import { BootstrapTokens } from '../../src/jwt/bootstrap-token.ts'
import { loadProto } from '../../src/proto/load-proto.ts'
import { toStruct } from '../../src/proto/struct.ts'
import { ManualClock } from './manual-clock.ts'

export const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** Remembers what was logged, message first. */
export function listeningLog() {
  const lines: string[] = []
  const write = (level: string) => (message: string, fields?: object) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`)
  }
  return { lines, info: write('info'), warn: write('warn'), error: write('error') }
}

export interface MeshControl {
  readonly clock: ManualClock
  readonly directory: string
  readonly authority: Authority
  readonly tokens: BootstrapTokens
  readonly counters: CaCounters
  readonly port: number
  readonly rootFile: string
  readonly server: grpc.Server
  close(): Promise<void>
}

export interface MeshControlOptions {
  readonly clock?: ManualClock
  readonly trustDomain?: string
  readonly rules?: SigningRules
  /** Of an earlier one, to have the same authority again; it is then left in place. */
  readonly directory?: string
  readonly port?: number
}

export async function startMeshControl(options: MeshControlOptions = {}): Promise<MeshControl> {
  // TLS itself looks at the real clock: the hand-moved one starts there.
  const clock = options.clock ?? new ManualClock(Date.now())
  const trustDomain = options.trustDomain ?? 'cluster.local'
  const directory = options.directory ?? (await temporaryDirectory())
  const state = join(directory, 'ca')
  const authority = await openSelfSignedAuthority({ directory: state, trustDomain, clock })
  const tokens = await BootstrapTokens.open(state, clock)
  const rules = { trustDomain, verifyToken: (token: string) => tokens.verify(token), now: () => clock.now() }
  let counters: CaCounters | null = null
  const mesh = await startMeshGrpcServer(
    { authority, address: '127.0.0.1', port: options.port ?? 0, clock, log: quiet },
    (server) => {
      counters = addCaService(server, {
        authority,
        authenticate: callAuthenticator(rules),
        clock,
        log: quiet,
        ...(options.rules && { rules: options.rules }),
      })
    },
  )
  const rootFile = join(directory, 'root.pem')
  await writeFile(rootFile, authority.rootPem)
  return {
    clock,
    directory,
    authority,
    tokens,
    counters: counters as unknown as CaCounters,
    port: mesh.port,
    rootFile,
    server: mesh.server,
    async close() {
      mesh.destroy()
      await mesh.close()
      if (options.directory === undefined) await rm(directory, { recursive: true, force: true })
    },
  }
}

export function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'sp-'))
}

export interface Ask {
  readonly csr: string
  readonly ttl?: number
  readonly token?: string
  readonly metadata?: Readonly<Record<string, string>>
  readonly requestMetadata?: Readonly<Record<string, string>>
  readonly pair?: { readonly certificateChain: string; readonly privateKey: string }
  readonly plaintextPort?: number
}

export interface Answer {
  readonly code: number
  readonly details: string
  readonly chain: readonly string[]
}

/** One CreateCertificate call, whatever is in it. */
export function askForCertificate(mesh: Pick<MeshControl, 'port' | 'authority'>, ask: Ask): Promise<Answer> {
  const method = loadProto('ca.proto').service('istio.v1.auth.IstioCertificateService')['CreateCertificate']
  if (method === undefined) throw new Error('no such method')
  const credentials =
    ask.plaintextPort !== undefined
      ? grpc.credentials.createInsecure()
      : ask.pair
        ? grpc.credentials.createSsl(
            Buffer.from(mesh.authority.rootPem),
            Buffer.from(ask.pair.privateKey),
            Buffer.from(ask.pair.certificateChain),
          )
        : grpc.credentials.createSsl(Buffer.from(mesh.authority.rootPem))
  const client = new grpc.Client(`127.0.0.1:${ask.plaintextPort ?? mesh.port}`, credentials, {
    'grpc.ssl_target_name_override': 'istiod.istio-system.svc',
    'grpc.default_authority': 'istiod.istio-system.svc',
    'grpc.use_local_subchannel_pool': 1,
  })
  const metadata = new grpc.Metadata()
  if (ask.token !== undefined) metadata.set('authorization', `Bearer ${ask.token}`)
  for (const [name, value] of Object.entries(ask.metadata ?? {})) metadata.set(name, value)
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      {
        csr: ask.csr,
        validity_duration: ask.ttl ?? 0,
        metadata: toStruct(ask.requestMetadata ?? { CertSigner: '' }),
      },
      metadata,
      { deadline: Date.now() + 10_000 },
      (error, response) => {
        client.close()
        if (error) resolve({ code: error.code, details: error.details, chain: [] })
        else resolve({ code: 0, details: '', chain: (response as { cert_chain: string[] }).cert_chain })
      },
    )
  })
}
