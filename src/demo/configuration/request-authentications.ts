/** Whose tokens a service believes, as YAML with the keys in it. It makes no key and decodes nothing. */
import type { Tier } from '../topology.ts'

export function believeIssuer({ name, namespace }: Tier, issuer: string, jwks: string): string {
  return `apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata:
  name: ${name}
  namespace: ${namespace}
spec:
  selector:
    matchLabels:
      app: ${name}
  jwtRules:
    - issuer: ${issuer}
      jwks: '${jwks}'
`
}
