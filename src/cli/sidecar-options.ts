/** `sallyport sidecar`, `proxy` and `agent`: declares the options; the programs are in `run-sidecar.ts`. */
import type { Command } from 'commander'
import type { SidecarFlags } from '../bootstrap/sidecar-settings.ts'

type Ran = (promise: Promise<number>) => Promise<void>

export function declareSidecar(program: Command, ran: Ran): void {
  const command = program
    .command('sidecar')
    .description('agent and proxy in one process: what a pod or a VM runs')
  traffic(configuration(identity(workload(command))))
  command.action((flags: SidecarFlags) => ran(run(flags, { agent: true, proxy: true })))
}

export function declareProxy(program: Command, ran: Ran): void {
  const command = program
    .command('proxy')
    .description('the data plane alone; secrets come from any SDS socket (ours, istio-agent, SPIRE)')
  traffic(configuration(secrets(workload(command))))
  command.action((flags: SidecarFlags) => ran(run(flags, { agent: false, proxy: true })))
}

export function declareAgent(program: Command, ran: Ran): void {
  const command = program
    .command('agent')
    .description(
      'the local agent alone: key and CSR to the CA, rotation, secrets over SDS (also for an Envoy)',
    )
  identity(workload(command)).option('--log-level <level>', 'debug, info, warn or error', 'info')
  command.action((flags: SidecarFlags) => ran(run(flags, { agent: true, proxy: false })))
}

async function run(flags: SidecarFlags, needs: { agent: boolean; proxy: boolean }): Promise<number> {
  const { runSidecar } = await import('./run-sidecar.ts')
  return runSidecar(flags, needs)
}

function workload(command: Command): Command {
  return command
    .option(
      '--workload <file>',
      'WorkloadEntry of this workload; without it POD_NAME, POD_NAMESPACE, INSTANCE_IP, SERVICE_ACCOUNT say who it is',
    )
    .option('--state <dir>', 'keeps last good configuration and certificates across restarts (made 0700)')
}

function secrets(command: Command): Command {
  return command
    .option(
      '--sds <path>',
      'Unix socket of secret discovery (default /var/run/secrets/workload-spiffe-uds/socket)',
    )
    .option('--sds-names <names>', 'names of certificate and trust bundle there', 'default,ROOTCA')
    .option('--trust-domain <name>', 'trust domain of the mesh (TRUST_DOMAIN; default cluster.local)')
    .option(
      '--ca-root <file>',
      'root certificate of the control plane (default /var/run/secrets/istio/root-cert.pem)',
    )
    .option(
      '--ca-name <name>',
      "name the control plane's certificate must carry (default: the host dialled; istiod.istio-system.svc for an address)",
    )
    .option(
      '--token <file>',
      'bearer token that proves this workload, re-read for each use (default /var/run/secrets/tokens/istio-token)',
    )
}

function identity(command: Command): Command {
  return secrets(command)
    .option('--ca <host:port>', 'certificate authority (CA_ADDR; default: the --mesh address)')
    .option('--mesh <host:port>', 'control plane that serves configuration and, without --ca, certificates')
    .option('--ttl <duration>', 'certificate lifetime to ask for (SECRET_TTL)', '24h')
}

function configuration(command: Command): Command {
  if (!command.options.some(({ long }) => long === '--mesh'))
    command.option('--mesh <host:port>', 'control plane that serves configuration')
  return command.option(
    '--config <dir>',
    'read configuration from a folder of YAML instead of a control plane',
  )
}

function traffic(command: Command): Command {
  return command
    .option(
      '--capture',
      'traffic is redirected here by iptables: listen on 15006 and 15001, ask the kernel for destinations',
    )
    .option(
      '--inbound <listen=target>',
      'explicit inbound listener and the application behind it, 127.0.1.2:8080=127.0.0.1:18080; repeatable',
      collect,
    )
    .option(
      '--outbound <address>',
      'captured outbound, or without --capture an HTTP proxy for the application (default 127.0.0.1:15001)',
    )
    .option('--admin <address>', 'admin endpoint, loopback only (default 127.0.0.1:15000)')
    .option('--status <address>', 'readiness, GET /healthz/ready (default 0.0.0.0:15021)')
    .option('--concurrency <n>', 'data threads; 0 = one per core', '1')
    .option('--access-log <where>', '- for standard output, a file, or off', '-')
    .option('--decision-log <where>', 'verdicts as JSON lines: - for standard output, a file, or off', 'off')
    .option(
      '--decision-log-sample <share>',
      'share of allowed decisions that are recorded, 0.01 or 1%; refusals all are',
      '0.01',
    )
    .option(
      '--decision-log-key <file>',
      'secret of 32 bytes or more, mode 0600: values of headers and claims become keyed digests instead of being left out',
    )
    .option('--decision-log-show-values', 'tell these values as they are; tokens and cookies never')
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .option('--drain <duration>', 'grace for inbound requests at the end', '45s')
    .option('--max-connections <n>', 'connections a thread holds per listener', '10000')
    .option('--max-header-bytes <n>', 'bytes of a request head', '61440')
    .option('--max-headers <n>', 'headers of a request', '100')
    .option(
      '--jwks-ca <file>',
      "roots that servers of token keys must chain to, PEM (default: the machine's)",
    )
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value]
}
