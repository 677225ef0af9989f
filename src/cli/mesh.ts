/** `sallyport mesh` and `sallyport mesh token`: declares the options; the programs are in `run-mesh.ts`. */
import type { Command } from 'commander'
import type { MeshFlags, TokenFlags } from './run-mesh.ts'

type Ran = (promise: Promise<number>) => Promise<void>

export function declareMesh(program: Command, ran: Ran): void {
  const mesh = program
    .command('mesh')
    .description('the small control plane: certificate authority and configuration over one TLS gRPC port')
    .option(
      '--config <dir>',
      'folder of Istio and Kubernetes YAML to serve; mesh.yaml at its top is the MeshConfig',
    )
    .option(
      '--state <dir>',
      'where the root key, the token key and last good configuration are kept (made 0700)',
    )
    .option('--listen <address>', 'TLS gRPC address', '127.0.0.1:15012')
    .option('--dns <names>', 'further comma-separated names of the server certificate')
    .option('--admin <address>', 'GET /ready and /status on loopback; off when not given')
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .action((flags: MeshFlags) => ran(import('./run-mesh.ts').then(({ runMesh }) => runMesh(flags))))
  mesh
    .command('token')
    .description('prints a bootstrap token for one service account, signed by the mesh, for its --token file')
    .option('--state <dir>', 'the state directory of the mesh')
    .requiredOption('--namespace <name>', 'namespace of the service account')
    .requiredOption('--service-account <name>', 'the service account')
    .option('--ttl <duration>', 'how long the token may be used', '24h')
    // The parent knows --state too and takes it, wherever it stands.
    .action((flags: TokenFlags, command: Command) =>
      ran(
        import('./run-mesh.ts').then(({ runToken }) => runToken({ ...flags, ...command.optsWithGlobals() })),
      ),
    )
}
