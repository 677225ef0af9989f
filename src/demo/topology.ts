/**
 * What the demo consists of and where each part lives: three tiers and a control plane, an address each. A value made
 * from the address prefix; nothing here runs.
 */
import { BootstrapError } from '../bootstrap/bootstrap-error.ts'
import { ports } from '../bootstrap/ports.ts'
import { istioSpiffeUri } from '../spiffe/spiffe-id.ts'

export const trustDomain = 'cluster.local'
export const rootNamespace = 'istio-system'

export const demoPorts = {
  ...ports,
  /** Where the sidecar takes HTTP for its application, and where the application has it. */
  http: 8080,
  applicationHttp: 18080,
  /** The same for the TCP echo. */
  echo: 9000,
  applicationEcho: 19000,
  meshAdmin: 15014,
  /** What clients of a service dial: the service ports. */
  serviceHttp: 80,
  serviceEcho: 9000,
} as const

export interface Tier {
  readonly name: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly address: string
  /** `spiffe://...` */
  readonly identity: string
  /** Fully qualified service name. */
  readonly hostname: string
  /** What people type: name.namespace. */
  readonly shortName: string
}

export interface Topology {
  /** First three numbers of every address. */
  readonly prefix: string
  readonly frontend: Tier
  readonly backend: Tier
  readonly datastore: Tier
  readonly tiers: readonly Tier[]
  readonly meshAddress: string
  /** Where the tour listens in on bytes between sidecars. */
  readonly tapAddress: string
}

/** `prefix` is text as typed: `127.0.1`. */
export function topology(prefix: string): Topology {
  const numbers = /^127\.(\d{1,3})\.(\d{1,3})$/.exec(prefix)
  if (numbers === null || Number(numbers[1]) > 255 || Number(numbers[2]) > 255) {
    throw new BootstrapError(
      'ERR_BOOTSTRAP_ADDRESS',
      `--prefix ${JSON.stringify(prefix.slice(0, 60))} is not the first three numbers of a loopback address`,
      'write it like 127.0.1',
    )
  }
  const canonical = `127.${Number(numbers[1])}.${Number(numbers[2])}`
  const frontend = tier('photo-frontend', 'photo-ns', `${canonical}.1`)
  const backend = tier('photo-backend', 'photo-ns', `${canonical}.2`)
  const datastore = tier('datastore', 'datastore-ns', `${canonical}.3`)
  return {
    prefix: canonical,
    frontend,
    backend,
    datastore,
    tiers: [frontend, backend, datastore],
    meshAddress: `${canonical}.100`,
    tapAddress: `${canonical}.12`,
  }
}

function tier(name: string, namespace: string, address: string): Tier {
  return {
    name,
    namespace,
    serviceAccount: name,
    address,
    identity: istioSpiffeUri(trustDomain, namespace, name),
    hostname: `${name}.${namespace}.svc.${trustDomain}`,
    shortName: `${name}.${namespace}`,
  }
}

/** Every address and port the demo listens on, with who listens there. */
export function listeners({ tiers, meshAddress, tapAddress }: Topology): readonly Listens[] {
  return [
    { address: meshAddress, port: demoPorts.mesh, who: 'the control plane' },
    { address: meshAddress, port: demoPorts.meshAdmin, who: "the control plane's status" },
    { address: tapAddress, port: demoPorts.http, who: 'the tap of the tour' },
    ...tiers.flatMap(({ name, address }) =>
      [
        demoPorts.http,
        demoPorts.echo,
        demoPorts.outbound,
        demoPorts.admin,
        demoPorts.readiness,
        demoPorts.applicationHttp,
        demoPorts.applicationEcho,
      ].map((port) => ({ address, port, who: name })),
    ),
  ]
}

export interface Listens {
  readonly address: string
  readonly port: number
  readonly who: string
}
