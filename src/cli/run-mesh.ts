/** Builds the control plane from its rooms, starts it, drains it. Every decision is in those rooms. */
import { join } from 'node:path'
import { BootstrapError } from '../bootstrap/bootstrap-error.ts'
import { addressOption, choiceOption, durationOption } from '../bootstrap/parse-option.ts'
import { callAuthenticator } from '../ca/call-authenticator.ts'
import { addCaService } from '../ca/ca-server.ts'
import { istiodNames, startMeshGrpcServer } from '../ca/mesh-server.ts'
import { openSelfSignedAuthority } from '../ca/self-signed-authority.ts'
import { addConfigService } from '../config-server/ads-server.ts'
import type { ConfigService } from '../config-server/ads-server.ts'
import { FolderFeed } from '../config-server/folder-feed.ts'
import { ResourceStore } from '../config-server/resource-store.ts'
import { json } from '../admin/config-dump.ts'
import { startAdmin } from '../admin/admin-server.ts'
import { Readiness } from '../admin/readiness.ts'
import { BootstrapTokens } from '../jwt/bootstrap-token.ts'
import { makePrivateDirectory } from '../jwt/private-file.ts'
import { systemClock } from '../lifecycle/clock.ts'
import { Closer } from '../lifecycle/closer.ts'
import type { Quarantined } from '../policy/resource.ts'
import { createLogger } from '../telemetry/logger.ts'
import { reportConfiguration } from './report-configuration.ts'
import { shutdownAsked } from './shutdown.ts'

export interface MeshFlags {
  readonly config?: string
  readonly state?: string
  readonly listen: string
  readonly dns?: string
  readonly admin?: string
  readonly logLevel: string
}

export interface TokenFlags {
  readonly state?: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly ttl: string
}

const graceMs = 2000

export async function runMesh(flags: MeshFlags): Promise<number> {
  const listen = addressOption('--listen', flags.listen, '127.0.0.1')
  const log = createLogger(
    'mesh',
    choiceOption('--log-level', flags.logLevel, ['debug', 'info', 'warn', 'error'] as const),
  )
  const clock = systemClock
  const closer = new Closer(clock)
  const folder = given('--config DIR', flags.config)
  const state = given('--state DIR', flags.state)
  try {
    await makePrivateDirectory(state)
    const store = new ResourceStore()
    const feed = closer.own(
      await FolderFeed.open(
        folder,
        { clock, store, report: (event, detail) => log.warn(event, { detail }) },
        { lastGood: join(state, 'last-good.json') },
      ),
    )
    const reported = reportConfiguration(log)
    feed.states.subscribe((state) => reported(state))

    requireMeshConfig(feed.states.value?.quarantine ?? [])
    const trustDomain = feed.mesh?.trustDomain ?? 'cluster.local'
    const authority = await openSelfSignedAuthority({ directory: state, trustDomain, clock })
    const tokens = await BootstrapTokens.open(state, clock)
    const authenticate = callAuthenticator({
      trustDomain,
      verifyToken: (token) => tokens.verify(token),
      now: () => clock.now(),
    })

    let config: ConfigService | null = null
    const server = closer.own(
      await startMeshGrpcServer(
        {
          authority,
          address: listen.address,
          port: listen.port,
          dnsNames: [...istiodNames, ...(flags.dns?.split(',') ?? [])],
          ips: ['127.0.0.1', '::1', listen.address],
          clock,
          log,
        },
        (grpc) => {
          addCaService(grpc, { authority, authenticate, clock, log })
          config = addConfigService(grpc, {
            store,
            clock,
            random: Math.random,
            rejected: (node, typeUrl, reason) =>
              log.warn('a proxy refused configuration', { node, typeUrl, reason }),
            async authenticate(call) {
              const caller = await authenticate(call)
              if (caller.ok && caller.id.namespace !== null && caller.id.serviceAccount !== null) {
                return { namespace: caller.id.namespace, serviceAccount: caller.id.serviceAccount }
              }
              log.warn('configuration refused', {
                peer: call.getPeer(),
                reason: caller.ok ? 'no workload identity' : caller.reason,
              })
              return null
            },
          })
        },
      ),
    )
    closer.own({ close: () => config?.close() })
    if (flags.admin !== undefined)
      await serveStatus(flags.admin, feed, store, () => config?.streams ?? 0, closer)
    log.info('mesh is up', {
      listen: `${listen.address}:${server.port}`,
      trustDomain,
      config: folder,
      root: join(state, 'root-cert.pem'),
    })
    await shutdownAsked()
    log.info('mesh is ending')
    await closer.close(graceMs)
    return 0
  } catch (error) {
    await closer.close(graceMs)
    throw error
  }
}

/** Trust domain and root namespace must not be guessed at a first start; later the good version stays in force. */
function requireMeshConfig(quarantine: readonly Quarantined[]): void {
  const refused = quarantine.find(({ kind, lastGood }) => kind === 'MeshConfig' && !lastGood)
  if (refused === undefined) return
  throw new BootstrapError(
    'ERR_BOOTSTRAP_MESH_CONFIG',
    `${refused.origin}: ${refused.reason}`,
    'mend the MeshConfig',
  )
}

export async function runToken(flags: TokenFlags): Promise<number> {
  const tokens = await BootstrapTokens.open(given('--state DIR', flags.state), systemClock)
  const { namespace, serviceAccount } = flags
  const token = await tokens.issue({
    namespace,
    serviceAccount,
    ttlSeconds: durationOption('--ttl', flags.ttl) / 1000,
  })
  process.stdout.write(`${token}\n`)
  return 0
}

function given(option: string, value: string | undefined): string {
  if (value !== undefined) return value
  throw new BootstrapError('ERR_BOOTSTRAP_MISSING', `${option} is not given`, `give ${option}`)
}

async function serveStatus(
  text: string,
  feed: FolderFeed,
  store: ResourceStore,
  streams: () => number,
  closer: Closer,
): Promise<void> {
  const quit = (): void => void process.kill(process.pid, 'SIGTERM')
  const status = (): ReturnType<typeof json> => {
    const state = feed.states.value
    return json({
      streams: streams(),
      quarantine: [...(state?.quarantine ?? []), ...store.unsendable],
      mesh: feed.mesh,
    })
  }
  closer.own(
    await startAdmin(
      addressOption('--admin', text, '127.0.0.1'),
      new Readiness({}),
      { '/status': status },
      { quit, drain: () => undefined },
    ),
  )
}
