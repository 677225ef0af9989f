/** Who may call whom, as YAML: the policies the demo starts with and those the tour puts in their place. It decodes nothing. */
import { trustDomain } from '../topology.ts'
import type { Tier } from '../topology.ts'

/** As the principal of a rule names it: the identity without its scheme. */
export const principalOf = ({ namespace, serviceAccount }: Tier): string =>
  `${trustDomain}/ns/${namespace}/sa/${serviceAccount}`

const head = ({ name, namespace }: Tier, policy: string): string => `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: ${policy}
  namespace: ${namespace}
spec:
  selector:
    matchLabels:
      app: ${name}
`

/** Only `caller` may call `server`. */
export function allowCaller(server: Tier, caller: Tier): string {
  return `${head(server, server.name)}  action: ALLOW
  rules:
    - from:
        - source:
            principals: ["${principalOf(caller)}"]
`
}

/** An ALLOW policy without a rule: nothing matches it, so nothing is allowed. */
export function denyAll(server: Tier): string {
  return `${head(server, server.name)}  action: ALLOW
`
}

export function allowMethods(server: Tier, methods: readonly string[]): string {
  return `${head(server, server.name)}  action: ALLOW
  rules:
    - to:
        - operation:
            methods: [${methods.map((method) => `"${method}"`).join(', ')}]
`
}

export function allowPaths(server: Tier, paths: readonly string[]): string {
  return `${head(server, server.name)}  action: ALLOW
  rules:
    - to:
        - operation:
            paths: [${paths.map((path) => `"${path}"`).join(', ')}]
`
}

export function denyPaths(server: Tier, paths: readonly string[]): string {
  return `${head(server, `${server.name}-deny`)}  action: DENY
  rules:
    - to:
        - operation:
            paths: [${paths.map((path) => `"${path}"`).join(', ')}]
`
}

/** `principles` is no field of Istio's: read generously, this rule would allow everybody. */
export function misspelt(server: Tier): string {
  return `${head(server, `${server.name}-misspelt`)}  action: ALLOW
  rules:
    - from:
        - source:
            principles: ["${trustDomain}/ns/*"]
`
}
