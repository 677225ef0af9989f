/**
 * Builds a sidecar from its rooms, starts it, drains it: agent, secrets, configuration, data threads, admin. It reads as
 * the order of a start; every decision is in those rooms.
 */
import { join } from 'node:path'
import type { SidecarFlags, SidecarSettings } from '../bootstrap/sidecar-settings.ts'
import { sidecarSettings } from '../bootstrap/sidecar-settings.ts'
import { WorkerPool } from '../dataplane/worker-pool.ts'
import type { Snapshot } from '../discovery/snapshot.ts'
import type { ConfigSource } from '../discovery/config-source.ts'
import type { RemoteKeySets } from '../jwt/remote-key-sets.ts'
import { systemClock } from '../lifecycle/clock.ts'
import { Closer } from '../lifecycle/closer.ts'
import { createLogger } from '../telemetry/logger.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Readiness } from '../admin/readiness.ts'
import { keyServerRoots } from './key-server-roots.ts'
import { openAccessLogSink } from './access-log-sink.ts'
import { readDecisionKey } from './decision-key.ts'
import { openDecisionLogSink } from './decision-log-sink.ts'
import { reportConfiguration } from './report-configuration.ts'
import { settleMemory } from './settle-memory.ts'
import { shutdownAsked } from './shutdown.ts'
import { serveAdmin } from './sidecar-admin.ts'

/** Long enough for the start's own garbage to be garbage. */
const settleAfterMs = 3000

export async function runSidecar(
  flags: SidecarFlags,
  needs: { readonly agent: boolean; readonly proxy: boolean },
): Promise<number> {
  const settings = sidecarSettings(flags, process.env, needs)
  const log = createLogger(needs.proxy ? (needs.agent ? 'sidecar' : 'proxy') : 'agent', settings.logLevel)
  const closer = new Closer(systemClock)
  try {
    if (needs.agent) await startAgent(settings, log, closer)
    if (!needs.proxy) {
      log.info('agent is up', { socket: settings.sdsSocket })
      await shutdownAsked()
    } else await runProxy(settings, log, closer)
    await closer.close(2000)
    return 0
  } catch (error) {
    await closer.close(2000)
    throw error
  }
}

async function runProxy(settings: SidecarSettings, log: Logger, closer: Closer): Promise<void> {
  const readiness = new Readiness({
    listeners: 'not bound yet',
    certificate: `no certificate from ${settings.sdsSocket} yet`,
    configuration: `no configuration from ${settings.configFolder ?? `${settings.mesh?.host}:${settings.mesh?.port}`} yet`,
  })
  let keys: RemoteKeySets | null = null
  const jwksCa = await keyServerRoots(settings.jwksCaFile)
  const accessLog = closer.own(await openAccessLogSink(settings.accessLog, log))
  const { decisionKeyFile } = settings
  const decisionKey = decisionKeyFile === null ? null : await readDecisionKey(decisionKeyFile)
  const decisionLog = closer.own(await openDecisionLogSink(settings.decisionLog, { clock: systemClock, log }))
  const workers = closer.own(
    await WorkerPool.start(
      settings.concurrency,
      settings.dataplane,
      systemClock,
      {
        onListening: (direction, address) =>
          log.info(`${direction} listens on ${address.address}:${address.port}`),
        onApplied: (generation) => {
          log.debug('configuration in force', { generation })
          if (generation > 0) readiness.met('configuration')
        },
        onAccessLog: (lines, written) => accessLog.write(lines, written),
        onDecisions: (lines, count, taken) => decisionLog.write(lines, count, taken),
        onRefetchKeys: (source) => keys?.refetch(source),
        onNotice: (level, message) => log[level](message),
      },
      decisionKey,
    ),
  )
  readiness.met('listeners')

  const secrets = await followSecrets(settings, log, closer)
  secrets.subscribe((set) => {
    workers.setSecrets(set)
    readiness.met('certificate')
    log.info('certificate in force')
  })
  // The client for key sets comes with the first rule that wants one.
  const followKeys = async (snapshot: Snapshot): Promise<void> => {
    if (keys === null && snapshot.requestAuthentications.length === 0) return
    const { RemoteKeySets } = await import('../jwt/remote-key-sets.ts')
    if (keys === null) {
      keys = closer.own(new RemoteKeySets({ clock: systemClock, log, random: Math.random }, { ca: jwksCa }))
      keys.sets.subscribe((sets) => workers.setKeySets(sets))
    }
    keys.use(config.snapshots.value?.requestAuthentications ?? [])
  }
  const config = closer.own(await openConfiguration(settings, log, () => secrets.value ?? null))
  const reported = reportConfiguration(log)
  config.snapshots.subscribe((snapshot) => {
    workers.setSnapshot(snapshot)
    void followKeys(snapshot)
    reported(config.state ?? snapshot)
  })

  const quit = Promise.withResolvers<void>()
  const ending = { quick: false }
  const admin = await serveAdmin({
    settings,
    readiness,
    workers,
    config,
    secrets,
    accessLog,
    decisionLog,
    keys: () => keys?.sets.value ?? {},
    quit: () => {
      ending.quick = true
      quit.resolve()
    },
    drain: () => void workers.drain('inbound'),
  })
  closer.own(admin)
  const { workload } = settings
  log.info('sidecar is up', {
    workload: `${workload.namespace}/${workload.name}`,
    interception: settings.dataplane.interception,
  })

  const settled = Promise.all([secrets.first(), config.snapshots.first()])
  void settled.then(() => systemClock.after(settleAfterMs, settleMemory))

  await shutdownAsked(quit.promise)
  readiness.terminate()
  if (ending.quick) return
  log.info('draining inbound', { graceMs: settings.drainMs, again: 'a second signal ends at once' })
  // Outbound serves on until the application's last inbound request is answered, then until its own calls are.
  const drained = workers.drain('inbound').then(() => workers.drain('outbound'))
  await withinGrace(drained, settings.drainMs)
}

async function startAgent(settings: SidecarSettings, log: Logger, closer: Closer): Promise<void> {
  const { Agent } = await import('../agent/agent.ts')
  const { ca, workload } = settings
  if (ca === null) return
  closer.own(
    await Agent.start(
      { clock: systemClock, random: Math.random, log },
      {
        workload: {
          trustDomain: settings.trustDomain,
          namespace: workload.namespace,
          serviceAccount: workload.serviceAccount,
        },
        ca: {
          address: hostPort(ca),
          rootFile: ca.rootFile,
          serverName: ca.serverName,
          tokenFile: ca.tokenFile,
        },
        socketPath: settings.sdsSocket,
        names: settings.sdsNames,
        stateDirectory: settings.stateFolder,
        ttlSeconds: settings.certificateTtlSeconds,
        renewWithCertificate: true,
      },
    ),
  )
}

async function followSecrets(settings: SidecarSettings, log: Logger, closer: Closer) {
  const { SdsClient } = await import('../sds/sds-client.ts')
  const { workload, sdsNames } = settings
  const nodeId = `sidecar~${workload.addresses[0]}~${workload.name}.${workload.namespace}~${workload.namespace}.svc.cluster.local`
  const client = SdsClient.start(
    { clock: systemClock, random: Math.random, log },
    {
      socketPath: settings.sdsSocket,
      nodeId,
      certificateName: sdsNames.certificate,
      bundleName: sdsNames.bundle,
    },
  )
  closer.own(client)
  return client.secrets
}

async function openConfiguration(
  settings: SidecarSettings,
  log: Logger,
  certificate: () => { certificateChain: string; privateKey: string } | null,
): Promise<ConfigSource> {
  const { workload, stateFolder, configFolder, mesh } = settings
  const lastGood = stateFolder === null ? null : join(stateFolder, 'last-good.json')
  const report = (event: string, detail: string): void => log.warn(`configuration: ${event}`, { detail })
  if (configFolder !== null) {
    const { FolderSource } = await import('../discovery/folder-source.ts')
    return FolderSource.open(configFolder, { clock: systemClock, report }, { workload, lastGood })
  }
  if (mesh === null) throw new Error('settings name no source of configuration')
  const { ConfigClient } = await import('../discovery/config-client.ts')
  const { fileCredentials } = await import('../discovery/file-credentials.ts')
  const files = fileCredentials({ root: mesh.rootFile, token: mesh.tokenFile, certificate: null })
  // The current certificate proves us as soon as there is one; the token stands beside it.
  const credentials = async () => {
    const current = certificate()
    const pair = current === null ? null : { chainPem: current.certificateChain, keyPem: current.privateKey }
    return { ...(await files()), certificate: pair }
  }
  return new ConfigClient(
    { clock: systemClock, random: Math.random, report, credentials },
    { server: hostPort(mesh), serverName: mesh.serverName, workload, domain: 'cluster.local', lastGood },
  )
}

function hostPort({ host, port }: { host: string; port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

async function withinGrace(drained: Promise<void>, graceMs: number): Promise<void> {
  const over = Promise.withResolvers<void>()
  const timer = systemClock.after(graceMs, () => over.resolve())
  await Promise.race([drained, over.promise])
  timer.cancel()
}
