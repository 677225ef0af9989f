/** The configuration folder as the demo writes it at first: file names to YAML, one subject a file. */
import { rootNamespace, trustDomain } from '../topology.ts'
import type { Topology } from '../topology.ts'
import { allowCaller } from './authorization-policies.ts'
import { meshIsStrict, peerAuthentication } from './peer-authentications.ts'
import { service, workloadEntry } from './services.ts'

/** Files the tour edits, by what they say. */
export const fileNames = {
  frontendMtls: 'mtls-photo-frontend.yaml',
  backendPolicy: 'allow-photo-backend.yaml',
  datastorePolicy: 'allow-datastore.yaml',
} as const

export function startingFiles({
  tiers,
  frontend,
  backend,
  datastore,
}: Topology): ReadonlyMap<string, string> {
  return new Map([
    ['mesh.yaml', meshConfig],
    ...tiers.map((tier): [string, string] => [
      `service-${tier.name}.yaml`,
      `${service(tier)}---\n${workloadEntry(tier)}`,
    ]),
    ['mtls-strict.yaml', `# Nobody talks to anybody without mutual TLS ...\n${meshIsStrict}`],
    [
      fileNames.frontendMtls,
      `# ... but people, who have no certificate, may call the frontend.\n${peerAuthentication(frontend, 'PERMISSIVE')}`,
    ],
    [fileNames.backendPolicy, `# The frontend may call the backend.\n${allowCaller(backend, frontend)}`],
    [
      fileNames.datastorePolicy,
      `# The backend may call the datastore; so the frontend may not.\n${allowCaller(datastore, backend)}`,
    ],
  ])
}

const meshConfig = `# Istio's MeshConfig, as in the ConfigMap "istio".
trustDomain: ${trustDomain}
rootNamespace: ${rootNamespace}
outboundTrafficPolicy:
  mode: REGISTRY_ONLY
`
