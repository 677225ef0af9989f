/**
 * Starts the demo's processes in the order they need each other: control plane, then sidecars and applications at once.
 * It reads as that order; ending them is `processes.ts`.
 */
import { BootstrapTokens } from '../jwt/bootstrap-token.ts'
import { makePrivateDirectory } from '../jwt/private-file.ts'
import { systemClock } from '../lifecycle/clock.ts'
import { AccessLines } from './access-lines.ts'
import { DemoError } from './demo-error.ts'
import { eventually } from './eventually.ts'
import { call } from './http-call.ts'
import type { Processes } from './processes.ts'
import { programs } from './processes.ts'
import type { RunningMesh } from './running-mesh.ts'
import { demoPorts } from './topology.ts'
import type { Tier, Topology } from './topology.ts'
import type { WorkingFolder } from './working-folder.ts'

export interface StartOptions {
  readonly topology: Topology
  readonly folder: WorkingFolder
  readonly processes: Processes
  /** Certificate lifetime, as `--ttl` takes it. */
  readonly certificateTtl: string
  readonly progress: (line: string) => void
}

/** Milliseconds a process has to become ready; a slow machine under load needs many. */
const startMs = 30_000

export async function startMesh(options: StartOptions): Promise<RunningMesh> {
  const { topology, folder, processes, progress } = options
  await startControlPlane(options)
  progress(`control plane is ready on ${topology.meshAddress}:${demoPorts.mesh}`)
  await issueTokens(topology, folder)
  const logs = new Map<Tier, AccessLines>()
  for (const tier of topology.tiers) {
    logs.set(tier, startSidecar(tier, options))
    const args = [topology.prefix, tier.name]
    processes.start(
      `the application of ${tier.name}`,
      programs.application,
      args,
      folder.log(`${tier.name}.app.log`),
    )
  }
  await Promise.all(
    topology.tiers.map(async (tier) => {
      await Promise.all([
        ready(`the sidecar of ${tier.name}`, tier.address, demoPorts.readiness, '/healthz/ready', options),
        ready(`the application of ${tier.name}`, tier.address, demoPorts.applicationHttp, '/', options),
      ])
      progress(`${tier.name} is ready on ${tier.address}: application, sidecar, certificate, configuration`)
    }),
  )
  return { topology, folder, processes, log: (tier) => logs.get(tier) as AccessLines }
}

async function startControlPlane(options: StartOptions): Promise<void> {
  const { topology, folder, processes } = options
  const { meshAddress } = topology
  const args = ['mesh', '--config', folder.config, '--state', folder.state('mesh')]
  args.push(
    '--listen',
    `${meshAddress}:${demoPorts.mesh}`,
    '--admin',
    `${meshAddress}:${demoPorts.meshAdmin}`,
  )
  processes.start('the control plane', programs.sallyport, args, folder.log('mesh.log')).resume()
  await ready('the control plane', meshAddress, demoPorts.meshAdmin, '/ready', options)
}

/** What `sallyport mesh token` prints, for each tier into its file. */
async function issueTokens(topology: Topology, folder: WorkingFolder): Promise<void> {
  await makePrivateDirectory(folder.state('mesh'))
  const tokens = await BootstrapTokens.open(folder.state('mesh'), systemClock)
  for (const { name, namespace, serviceAccount } of topology.tiers)
    await folder.writeToken(name, await tokens.issue({ namespace, serviceAccount, ttlSeconds: 24 * 3600 }))
}

function startSidecar(
  tier: Tier,
  { topology, folder, processes, certificateTtl }: StartOptions,
): AccessLines {
  const { name, address } = tier
  const at = (port: number): string => `${address}:${port}`
  const output = processes.start(
    `the sidecar of ${name}`,
    programs.sallyport,
    [
      'sidecar',
      ...['--workload', folder.workload(name)],
      ...['--mesh', `${topology.meshAddress}:${demoPorts.mesh}`],
      ...['--ca-root', `${folder.state('mesh')}/root-cert.pem`],
      ...['--token', folder.token(name)],
      ...['--sds', folder.socket(name)],
      ...['--state', folder.state(name)],
      ...['--ttl', certificateTtl],
      ...['--inbound', `${at(demoPorts.http)}=${at(demoPorts.applicationHttp)}`],
      ...['--inbound', `${at(demoPorts.echo)}=${at(demoPorts.applicationEcho)}`],
      ...['--outbound', at(demoPorts.outbound)],
      ...['--admin', at(demoPorts.admin)],
      ...['--status', at(demoPorts.readiness)],
      ...['--drain', '1s'],
    ],
    folder.log(`${name}.sidecar.log`),
  )
  return new AccessLines(output, folder.log(`${name}.access.jsonl`))
}

async function ready(
  who: string,
  address: string,
  port: number,
  path: string,
  { folder, processes }: StartOptions,
): Promise<void> {
  const asked = eventually(
    () => call({ address, port, path }),
    ({ status }) => status === 200,
    startMs,
  )
  const answer = await Promise.race([asked.catch(() => null), processes.failure])
  if (answer?.wanted) return
  throw new DemoError(
    'ERR_DEMO_LATE',
    `${who} is not ready after ${startMs / 1000} s: ${answer?.value.body ?? `no answer from ${address}:${port}`}`,
    `read the logs in ${folder.logs}`,
  )
}
