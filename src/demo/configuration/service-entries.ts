/** Services of the tour that stand at an address of their own choosing and claim an identity for it. It decodes nothing. */
import { demoPorts } from '../topology.ts'

export interface ClaimedService {
  readonly name: string
  readonly namespace: string
  readonly host: string
  readonly address: string
  /** Who clients are told to expect there. */
  readonly serviceAccount: string
}

export function serviceEntry({ name, namespace, host, address, serviceAccount }: ClaimedService): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: ${name}
  namespace: ${namespace}
spec:
  hosts:
    - ${host}
  location: MESH_INTERNAL
  resolution: STATIC
  ports:
    - name: http
      number: ${demoPorts.serviceHttp}
      protocol: HTTP
      targetPort: ${demoPorts.http}
  endpoints:
    - address: ${address}
      serviceAccount: ${serviceAccount}
      labels:
        security.istio.io/tlsMode: istio
`
}
