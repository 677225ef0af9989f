/** Who may call whom, as YAML: the policies the demo starts with and those the tour puts in their place. It decodes nothing. */
import { trustDomain } from '../topology.ts'
import type { Tier } from '../topology.ts'

/** As the principal of a rule names it: the identity without its scheme. */
export const principalOf = ({ namespace, serviceAccount }: Tier): string =>
  `${trustDomain}/ns/${namespace}/sa/${serviceAccount}`

const head = (
  { name, namespace }: Tier,
  policy: string,
  metadata = '',
): string => `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: ${policy}
  namespace: ${namespace}
${metadata}spec:
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

/** Whoever brings a token of this issuer. */
export function allowBearers(server: Tier, issuer: string): string {
  return `${head(server, server.name)}  action: ALLOW
  rules:
    - from:
        - source:
            requestPrincipals: ["${issuer}/*"]
`
}

export const rehearsal = (server: Tier): string => `${server.name}-rehearsal`

/** A DENY that is only tried: it decides nothing and is told in the access log. */
export function rehearseDeny(server: Tier, paths: readonly string[]): string {
  const annotation = '  annotations:\n    istio.io/dry-run: "true"\n'
  return `${head(server, rehearsal(server), annotation)}  action: DENY
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
