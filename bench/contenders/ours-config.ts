/** The configuration folder that ours runs on: two workloads, one service with two ports, STRICT, and the header rule. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Target } from '../contender.ts'
import {
  clientAccount,
  namespace,
  serverAccount,
  serviceHost,
  spiffeUri,
  trustDomain,
} from '../identities.ts'

export interface OurPlaces {
  readonly outboundAddress: string
  readonly singleHttp: Target
  readonly singleTcp: Target
}

export async function writeOurConfiguration(folder: string, places: OurPlaces): Promise<void> {
  await mkdir(folder, { recursive: true })
  const files = {
    'mesh.yaml': {
      trustDomain,
      rootNamespace: 'istio-system',
      outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' },
    },
    [`${clientAccount}.yaml`]: workload(clientAccount, places.outboundAddress),
    [`${serverAccount}.yaml`]: workload(serverAccount, places.singleHttp.address),
    'service.yaml': service(places),
    'strict.yaml': object('security.istio.io/v1', 'PeerAuthentication', 'strict', {
      mtls: { mode: 'STRICT' },
    }),
    'deny.yaml': policy('deny', 'DENY', {
      to: [{ operation: { ports: [String(places.singleHttp.port)] } }],
      when: [{ key: 'request.headers[x-deny]', values: ['1'] }],
    }),
    'allow.yaml': policy('allow', 'ALLOW', {
      from: [{ source: { principals: [spiffeUri(clientAccount).slice('spiffe://'.length)] } }],
    }),
  }
  // JSON is YAML too.
  for (const [name, value] of Object.entries(files))
    await writeFile(join(folder, name), JSON.stringify(value, null, 1))
}

function service({ singleHttp, singleTcp }: OurPlaces): object {
  return object('networking.istio.io/v1', 'ServiceEntry', 'server', {
    hosts: [serviceHost],
    location: 'MESH_INTERNAL',
    resolution: 'STATIC',
    ports: [
      { number: 8080, name: 'http', protocol: 'HTTP' },
      { number: 9090, name: 'tcp', protocol: 'TCP' },
    ],
    endpoints: [
      {
        address: singleHttp.address,
        ports: { http: singleHttp.port, tcp: singleTcp.port },
        labels: { app: serverAccount, 'security.istio.io/tlsMode': 'istio' },
        serviceAccount: serverAccount,
      },
    ],
  })
}

function workload(account: string, address: string): object {
  return object('networking.istio.io/v1', 'WorkloadEntry', account, {
    address,
    labels: { app: account },
    serviceAccount: account,
  })
}

function policy(name: string, action: string, rule: object): object {
  return object('security.istio.io/v1', 'AuthorizationPolicy', name, {
    selector: { matchLabels: { app: serverAccount } },
    action,
    rules: [rule],
  })
}

function object(apiVersion: string, kind: string, name: string, spec: object): object {
  return { apiVersion, kind, metadata: { name, namespace }, spec }
}
