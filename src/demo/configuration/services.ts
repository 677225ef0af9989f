/** Services and the workloads behind them as YAML, each workload being what a pod is elsewhere. It decodes nothing. */
import { demoPorts } from '../topology.ts'
import type { Tier } from '../topology.ts'

export function service({ name, namespace }: Tier): string {
  return `apiVersion: v1
kind: Service
metadata:
  name: ${name}
  namespace: ${namespace}
spec:
  selector:
    app: ${name}
  ports:
    - name: http
      port: ${demoPorts.serviceHttp}
      targetPort: ${demoPorts.http}
    - name: tcp-echo
      port: ${demoPorts.serviceEcho}
      targetPort: ${demoPorts.echo}
`
}

/** The label tlsMode is what injection writes: it tells clients that a sidecar is there. */
export function workloadEntry({ name, namespace, address, serviceAccount }: Tier): string {
  return `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: ${name}
  namespace: ${namespace}
spec:
  address: ${address}
  serviceAccount: ${serviceAccount}
  labels:
    app: ${name}
    security.istio.io/tlsMode: istio
`
}
