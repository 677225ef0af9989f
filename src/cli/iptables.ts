/** `sallyport iptables apply|clean|show`: declares the options; the program is in `run-iptables.ts`. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { ports, proxyUserId } from '../bootstrap/ports.ts'
import type { IptablesFlags, IptablesVerb } from './run-iptables.ts'

type Ran = (promise: Promise<number>) => void | Promise<void>

const afterHelp = `
Nothing is captured unless -b or -i (or -q) say so. What a pod's init container runs:
  sallyport iptables apply -b '*' -d ${ports.prometheus},${ports.readiness},${ports.status} -i '*'
On a VM add 22 to -d, or the next login goes to the proxy. Options can also be given by Istio's variables, which are named
beside them; ISTIO_OUTBOUND_OWNER_GROUPS, ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE and ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR by
variable only. Connections opened before apply are not captured. REDIRECT mode, IPv4 only: ip6tables is left alone.`

export function declareIptables(program: Command, ran: Ran): void {
  const iptables = program
    .command('iptables')
    .description(
      'redirects the traffic of this network namespace to the sidecar, or stops doing so (IPv4, REDIRECT mode)',
    )
  const declare = (verb: IptablesVerb, description: string): Command =>
    captured(iptables.command(verb).description(description))
      .addHelpText('after', afterHelp)
      .action((flags: IptablesFlags) =>
        ran(import('./run-iptables.ts').then(({ runIptables }) => runIptables(verb, flags))),
      )

  binary(declare('apply', 'makes the rules; does nothing when exactly they are there already (needs root)'))
    .option('-n, --dry-run', 'only print what show prints')
    .option(
      '--reconcile',
      'replace rules of another version or other options, in one step without a gap',
      false,
    )
    .option('--force-apply', 'replace the rules even if they are the same')
  binary(
    declare(
      'clean',
      'deletes the rules and ISTIO_ chains; give -c and -k as they were given to apply (needs root)',
    ),
  ).option('-n, --dry-run', 'only print what would be fed to iptables-restore')
  declare('show', 'prints the rules as iptables-restore input; reads nothing and changes nothing').option(
    '--json',
    'print them as one JSON value',
    false,
  )
}

function captured(command: Command): Command {
  const option = (flags: string, description: string, variable?: string): void => {
    const made = new Option(flags, description)
    command.addOption(variable === undefined ? made : made.env(variable))
  }
  option('-p, --envoy-port <port>', `captured outbound goes here (default ${ports.outbound})`)
  option(
    '-z, --inbound-capture-port <port>',
    `captured inbound goes here (default ${ports.inbound})`,
    'INBOUND_CAPTURE_PORT',
  )
  option(
    '-e, --inbound-tunnel-port <port>',
    `never captured (default ${ports.tunnel})`,
    'INBOUND_TUNNEL_PORT',
  )
  option(
    '-u, --proxy-uid <ids>',
    `users whose traffic is the proxy's own (default: istio-proxy, else ${proxyUserId})`,
    'PROXY_UID',
  )
  option(
    '-g, --proxy-gid <ids>',
    "groups whose traffic is the proxy's own (default: as --proxy-uid)",
    'PROXY_GID',
  )
  option('-m, --istio-inbound-interception-mode <mode>', 'REDIRECT', 'ISTIO_INBOUND_INTERCEPTION_MODE')
  option('-b, --istio-inbound-ports <ports>', "inbound ports to capture, '*' for all", 'ISTIO_INBOUND_PORTS')
  option(
    '-d, --istio-local-exclude-ports <ports>',
    "inbound ports not to capture, with -b '*'",
    'ISTIO_LOCAL_EXCLUDE_PORTS',
  )
  option('-i, --istio-service-cidr <networks>', "destinations to capture, '*' for all", 'ISTIO_SERVICE_CIDR')
  option(
    '-x, --istio-service-exclude-cidr <networks>',
    'destinations not to capture',
    'ISTIO_SERVICE_EXCLUDE_CIDR',
  )
  option(
    '-q, --istio-outbound-ports <ports>',
    'destination ports to capture wherever they are',
    'ISTIO_OUTBOUND_PORTS',
  )
  option(
    '-o, --istio-local-outbound-ports-exclude <ports>',
    'destination ports not to capture',
    'ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE',
  )
  option(
    '-c, --istio-exclude-interfaces <names>',
    'interfaces left alone both ways',
    'ISTIO_EXCLUDE_INTERFACES',
  )
  option(
    '-k, --kube-virt-interfaces <names>',
    'interfaces of a machine within the pod: what enters there is outbound',
    'KUBE_VIRT_INTERFACES',
  )
  return command
}

function binary(command: Command): Command {
  return command.addOption(
    new Option(
      '--force-iptables-binary <variant>',
      'which iptables; else the one that has rules, else nft',
    ).choices(['nft', 'legacy']),
  )
}
