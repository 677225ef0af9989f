/**
 * Flags and environment of `sidecar`, `proxy` and `agent`, read once, to one frozen value. It opens no file but the
 * workload's; defaults are Istio's (dataplane §1.3, §1.4), explained in docs/operating.md.
 */
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { parseIp } from '../address/ip.ts'
import type { SocketAddress } from '../address/socket-address.ts'
import type { DataplaneSettings } from '../dataplane/dataplane-settings.ts'
import { defaultDeadlines } from '../dataplane/dataplane-settings.ts'
import { defaultLimits } from '../http1/message.ts'
import type { Workload } from '../policy/workload.ts'
import type { LogLevel } from '../telemetry/logger.ts'
import { BootstrapError } from './bootstrap-error.ts'
import { readWorkload } from './own-workload.ts'
import type { Environment } from './own-workload.ts'
import {
  addressOption,
  choiceOption,
  durationOption,
  mappingOption,
  numberOption,
  shareOption,
  targetOption,
} from './parse-option.ts'
import { inboundSource, ports } from './ports.ts'

/** As commander hands them over: text, lists of text, booleans; absent when not given. */
export interface SidecarFlags {
  readonly workload?: string
  readonly config?: string
  readonly mesh?: string
  readonly ca?: string
  readonly caRoot?: string
  readonly caName?: string
  readonly token?: string
  readonly trustDomain?: string
  readonly ttl?: string
  readonly sds?: string
  readonly sdsNames?: string
  readonly state?: string
  readonly capture?: boolean
  readonly inbound?: readonly string[]
  readonly outbound?: string
  readonly admin?: string
  readonly status?: string
  readonly concurrency?: string
  readonly accessLog?: string
  readonly decisionLog?: string
  readonly decisionLogSample?: string
  readonly decisionLogKey?: string
  readonly decisionLogShowValues?: boolean
  readonly logLevel?: string
  readonly drain?: string
  readonly maxConnections?: string
  readonly maxHeaderBytes?: string
  readonly maxHeaders?: string
  readonly jwksCa?: string
}

export interface ControlPlane {
  readonly host: string
  readonly port: number
  /** PEM file the server must chain to. */
  readonly rootFile: string
  /** Name the server's certificate must carry. */
  readonly serverName: string
  /** File of the bearer token, re-read for each use; null when there is none. */
  readonly tokenFile: string | null
}

export interface SidecarSettings {
  readonly workload: Workload
  readonly trustDomain: string
  /** Folder read directly; null = configuration comes from `mesh`. */
  readonly configFolder: string | null
  readonly mesh: ControlPlane | null
  /** null = no agent of ours runs: another serves the socket. */
  readonly ca: ControlPlane | null
  readonly certificateTtlSeconds: number
  readonly sdsSocket: string
  readonly sdsNames: { readonly certificate: string; readonly bundle: string }
  /** Where last good configuration and certificates are kept; null = nowhere. */
  readonly stateFolder: string | null
  readonly admin: SocketAddress
  readonly status: SocketAddress
  readonly concurrency: number
  /** `-` standard output, `off`, or a file. */
  readonly accessLog: string
  /** The same for decision lines. */
  readonly decisionLog: string
  /** File of the key that makes digests of values in them; null = none. The key itself is no setting. */
  readonly decisionKeyFile: string | null
  readonly logLevel: LogLevel
  readonly drainMs: number
  /** File of the roots that key servers must chain to; null = the machine's. */
  readonly jwksCaFile: string | null
  readonly dataplane: DataplaneSettings
}

/** Carried by every control plane's certificate (dataplane §6.5). */
const controlPlaneName = 'istiod.istio-system.svc'
const defaultSocket = '/var/run/secrets/workload-spiffe-uds/socket'
const defaultRoot = '/var/run/secrets/istio/root-cert.pem'
const defaultToken = '/var/run/secrets/tokens/istio-token'

/** `needs.agent`: an agent of ours runs; `needs.proxy`: a data plane runs. Throws BootstrapError with code and mend. */
export function sidecarSettings(
  flags: SidecarFlags,
  env: Environment,
  needs: { readonly agent: boolean; readonly proxy: boolean },
): SidecarSettings {
  const workload = readWorkload(flags.workload ?? null, env)
  const mesh = flags.mesh ?? (flags.config === undefined ? env['CA_ADDR'] : undefined)
  const ca = flags.ca ?? env['CA_ADDR'] ?? flags.mesh
  if (needs.proxy && flags.config === undefined && mesh === undefined)
    throw missing('--config DIR or --mesh HOST:PORT', 'where configuration comes from')
  if (needs.agent && ca === undefined)
    throw missing('--ca HOST:PORT (or --mesh HOST:PORT)', 'who signs certificates')
  const outbound = addressOption(
    '--outbound',
    flags.outbound ?? String(ports.outbound),
    flags.capture === true ? '0.0.0.0' : '127.0.0.1',
  )
  const admin = addressOption('--admin', flags.admin ?? String(ports.admin), '127.0.0.1')
  const status = addressOption('--status', flags.status ?? String(ports.readiness), '0.0.0.0')
  const settings: SidecarSettings = {
    workload,
    trustDomain: flags.trustDomain ?? env['TRUST_DOMAIN'] ?? 'cluster.local',
    configFolder: flags.config ?? null,
    mesh: mesh === undefined || flags.config !== undefined ? null : controlPlane('--mesh', mesh, flags),
    ca: needs.agent && ca !== undefined ? controlPlane('--ca', ca, flags) : null,
    certificateTtlSeconds: Math.ceil(durationOption('--ttl', flags.ttl ?? env['SECRET_TTL'] ?? '24h') / 1000),
    sdsSocket: resolve(flags.sds ?? defaultSocket),
    sdsNames: sdsNames(flags.sdsNames ?? 'default,ROOTCA'),
    stateFolder: flags.state ?? null,
    admin,
    status,
    concurrency: concurrency(flags.concurrency ?? '1'),
    accessLog: flags.accessLog ?? '-',
    decisionLog: flags.decisionLog ?? 'off',
    decisionKeyFile: flags.decisionLogKey ?? null,
    logLevel: choiceOption('--log-level', flags.logLevel ?? 'info', [
      'debug',
      'info',
      'warn',
      'error',
    ] as const),
    jwksCaFile: flags.jwksCa ?? null,
    drainMs: durationOption('--drain', flags.drain ?? '45s'),
    dataplane: dataplane(flags, workload, outbound, admin, status),
  }
  return Object.freeze(settings)
}

function dataplane(
  flags: SidecarFlags,
  workload: Workload,
  outbound: SocketAddress,
  admin: SocketAddress,
  status: SocketAddress,
): DataplaneSettings {
  const capture = flags.capture === true
  const inboundCapture = capture ? [{ address: '0.0.0.0', port: ports.inbound }] : []
  const listenHost = workload.addresses[0] ?? '127.0.0.1'
  return {
    interception: capture ? 'REDIRECT' : 'NONE',
    inboundCapture,
    inboundMappings: (flags.inbound ?? []).map((text) => mappingOption('--inbound', text, listenHost)),
    outbound: [outbound],
    ownPorts: [ports.inbound, outbound.port, admin.port, status.port],
    inboundSourceV4: inboundSource.v4,
    inboundSourceV6: inboundSource.v6,
    limits: {
      ...defaultLimits,
      maxHeadBytes: numberOption(
        '--max-header-bytes',
        flags.maxHeaderBytes ?? String(defaultLimits.maxHeadBytes),
        1024,
        1024 * 1024,
      ),
      maxHeaders: numberOption(
        '--max-headers',
        flags.maxHeaders ?? String(defaultLimits.maxHeaders),
        1,
        10_000,
      ),
    },
    deadlines: defaultDeadlines,
    reusePort: concurrency(flags.concurrency ?? '1') > 1,
    maxConnections: numberOption('--max-connections', flags.maxConnections ?? '10000', 1, 1_000_000),
    maxHandshakes: 256,
    sliceMs: 1,
    accessLog: (flags.accessLog ?? '-') !== 'off',
    decisions: {
      log: (flags.decisionLog ?? 'off') !== 'off',
      sampleRate: shareOption('--decision-log-sample', flags.decisionLogSample ?? '0.01'),
      showValues: flags.decisionLogShowValues === true,
    },
    serverHeader: { inbound: 'istio-envoy', outbound: 'envoy' },
  }
}

function controlPlane(name: string, text: string, flags: SidecarFlags): ControlPlane {
  const { host, port } = targetOption(name, text)
  return {
    host,
    port,
    rootFile: flags.caRoot ?? defaultRoot,
    // An address is no name that TLS may ask for: the control plane's own name stands in.
    serverName: flags.caName ?? (parseIp(host) === null ? host : controlPlaneName),
    tokenFile: flags.token ?? defaultToken,
  }
}

function concurrency(text: string): number {
  const asked = numberOption('--concurrency', text, 0, 256)
  return asked === 0 ? availableParallelism() : asked
}

function sdsNames(text: string): { certificate: string; bundle: string } {
  const [certificate, bundle, ...rest] = text.split(',')
  if (!certificate || !bundle || rest.length > 0) {
    throw new BootstrapError(
      'ERR_BOOTSTRAP_CHOICE',
      `--sds-names ${JSON.stringify(text)} is not two names`,
      'write it like default,ROOTCA',
    )
  }
  return { certificate, bundle }
}

function missing(what: string, why: string): BootstrapError {
  return new BootstrapError('ERR_BOOTSTRAP_MISSING', `nothing says ${why}`, `give ${what}`)
}
