/**
 * Ours as a sidecar pair: a control plane that issues the certificates, and one `sidecar` process with one data thread on
 * each side. Between `on` and `plain` only the access log differs: policy, metrics, XFCC and request id are always on.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { newKeyAndRequest } from '../../src/agent/csr.ts'
import { openSelfSignedAuthority } from '../../src/ca/self-signed-authority.ts'
import { istioSigningRules, signSvid } from '../../src/ca/sign-svid.ts'
import { BootstrapTokens } from '../../src/jwt/bootstrap-token.ts'
import { systemClock } from '../../src/lifecycle/clock.ts'
import type { Child, Children } from '../children.ts'
import { text } from '../contender.ts'
import type { Contender, Surroundings, Target } from '../contender.ts'
import { freePort } from '../free-port.ts'
import {
  clientAccount,
  namespace,
  serverAccount,
  serviceHost,
  spiffeUri,
  trustDomain,
} from '../identities.ts'
import type { ClientPair } from '../load/window.ts'
import type { Settings } from '../options.ts'
import { untilListening } from '../until-listening.ts'
import { shippedFlags } from './our-program.ts'
import type { OurProgram } from './our-program.ts'
import { writeOurConfiguration } from './ours-config.ts'

export async function startOurs(
  program: OurProgram,
  settings: Settings,
  around: Surroundings,
  children: Children,
): Promise<Contender> {
  const { folder, outboundAddress, inboundAddress } = around
  const state = join(folder, 'mesh')
  const meshAt = await freePort('127.0.0.1')
  const pairHttp = await freePort(outboundAddress)
  const singleHttp = await freePort(inboundAddress)
  const singleTcp = await freePort(inboundAddress)
  const config = join(folder, 'config')
  await writeOurConfiguration(config, { outboundAddress, singleHttp, singleTcp })
  const run = (name: string, args: readonly string[]): Promise<Child> =>
    children.start(`ours-${settings}-${name}`, process.execPath, [
      ...shippedFlags,
      ...(process.env['BENCH_NODE_FLAGS'] ?? '').split(' ').filter((flag) => flag !== ''),
      ...inspection(name),
      program.main,
      ...args,
    ])
  const mesh = await run('mesh', ['mesh', '--config', config, '--state', state, '--listen', text(meshAt)])
  await untilListening(meshAt, mesh)
  const accessLog = (side: string): string => join(folder, `${side}.access.log`)
  const sidecar = async (
    side: 'outbound' | 'inbound',
    account: string,
    outbound: Target,
    inbound: readonly string[],
  ): Promise<Child> => {
    const own = join(folder, side)
    await mkdir(own, { recursive: true })
    const token = join(own, 'token')
    await writeFile(token, await bootstrapToken(state, account), { mode: 0o600 })
    const admin = await freePort('127.0.0.1')
    const status = await freePort('127.0.0.1')
    const child = await run(side, [
      'sidecar',
      ...['--workload', join(config, `${account}.yaml`), '--config', config],
      ...['--ca', text(meshAt), '--ca-root', join(state, 'root-cert.pem'), '--token', token],
      ...['--sds', join(own, 'sds'), '--state', join(own, 'state'), '--log-level', 'warn'],
      ...['--outbound', text(outbound), '--admin', text(admin), '--status', text(status)],
      ...['--access-log', settings === 'on' ? accessLog(side) : 'off'],
      ...inbound.flatMap((mapping) => ['--inbound', mapping]),
    ])
    await untilReady(status, child)
    return child
  }
  const inbound = await sidecar('inbound', serverAccount, await freePort(inboundAddress), [
    `${text(singleHttp)}=${text(around.appHttp)}`,
    `${text(singleTcp)}=${text(around.appTcp)}`,
  ])
  const outbound = await sidecar('outbound', clientAccount, pairHttp, [])
  return {
    name: 'ours',
    settings,
    version: program.version,
    outbound,
    inbound,
    host: `${serviceHost}:8080`,
    pairHttp,
    singleHttp,
    serverName: `outbound_.8080_._.${serviceHost}`,
    singleTcp,
    pairTcp: { ...pairHttp, connect: `${serviceHost}:9090` },
    client: await clientPair(state),
    accessLogs: settings === 'on' ? [accessLog('outbound'), accessLog('inbound')] : [],
  }
}

// BENCH_PROFILE names a folder for CPU profiles of every thread, written when the processes end.
function inspection(name: string): string[] {
  const folder = process.env['BENCH_PROFILE']
  return folder === undefined || name === 'mesh' ? [] : ['--cpu-prof', '--cpu-prof-dir', join(folder, name)]
}

async function bootstrapToken(state: string, serviceAccount: string): Promise<string> {
  const tokens = await BootstrapTokens.open(state, systemClock)
  return tokens.issue({ namespace, serviceAccount, ttlSeconds: 3600 })
}

/** Signed by the mesh's own authority: the load generator stands where the outbound sidecar does. */
async function clientPair(state: string): Promise<ClientPair> {
  const authority = await openSelfSignedAuthority({ directory: state, trustDomain, clock: systemClock })
  const uri = spiffeUri(clientAccount)
  const { privateKey, csr } = newKeyAndRequest(uri)
  const signed = await signSvid(authority, { csr, ttl: 3600, uri }, istioSigningRules, systemClock.now())
  if (!signed.ok) throw new Error(`no client certificate: ${signed.reason}`)
  return { certificate: signed.leaf + authority.chainPem, key: privateKey }
}

async function untilReady(status: Target, child: Child): Promise<void> {
  await untilListening(status, child)
  const deadline = Date.now() + 20_000
  let said = ''
  while (Date.now() < deadline && child.process.exitCode === null) {
    try {
      const answer = await fetch(`http://${text(status)}/healthz/ready`)
      said = await answer.text()
      if (answer.status === 200) return
    } catch (error) {
      said = (error as Error).message
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`${child.name} is not ready: ${said.slice(0, 300)}: ${child.said()}`)
}
