/** Which connections servers take, as YAML: the mesh is strict, the frontend open to people outside it. It decodes nothing. */
import { rootNamespace } from '../topology.ts'
import type { Tier } from '../topology.ts'

export type PeerMode = 'STRICT' | 'PERMISSIVE' | 'DISABLE'

export const meshIsStrict = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
  namespace: ${rootNamespace}
spec:
  mtls:
    mode: STRICT
`

export function peerAuthentication({ name, namespace }: Tier, mode: PeerMode): string {
  return `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: ${name}
  namespace: ${namespace}
spec:
  selector:
    matchLabels:
      app: ${name}
  mtls:
    mode: ${mode}
`
}
