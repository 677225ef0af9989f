/** How clients are told to reach a host, as YAML. It decodes nothing. */

/** Clients in `namespace` reach `host` without TLS, whatever stands there. */
export function withoutTls(name: string, namespace: string, host: string): string {
  return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: ${name}
  namespace: ${namespace}
spec:
  host: ${host}
  trafficPolicy:
    tls:
      mode: DISABLE
`
}
