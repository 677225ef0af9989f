/**
 * A legacy policy written as the object it came from, in one spelling, so that it can be sent: all of it, or only what a
 * client must know of a server. A stub says whom it was for and whether it may have had origins, nothing else.
 */
import type { LegacyPolicy, LegacyTarget } from '../policy/legacy-policy.ts'
import type { JwtRule } from '../policy/request-authentication.ts'
import type { PathMatch } from '../policy/trigger-rule.ts'

type Plain = Readonly<Record<string, unknown>>

export function legacySpec(policy: LegacyPolicy, part: 'all' | 'peers'): Plain {
  const { targets, demand, origins, binding, quarantined } = policy
  // An entry without a name is how "there were targets" is said: it is unreadable there as well.
  const whom =
    targets === null ? { targets: [{}] } : targets.length === 0 ? {} : { targets: targets.map(targetSpec) }
  if (quarantined !== null) return { ...whom, ...(demand === 'required' ? { origins: [{}] } : {}) }
  const peers = policy.mode === 'DISABLE' ? {} : { peers: [{ mtls: { mode: policy.mode } }] }
  if (part === 'peers') return { ...whom, ...peers }
  return {
    ...whom,
    ...peers,
    ...(origins.length === 0 ? {} : { origins: origins.map((rule) => ({ jwt: jwtSpec(rule) })) }),
    originIsOptional: demand === 'optional',
    principalBinding: binding,
  }
}

const targetSpec = ({ service, ports }: LegacyTarget): Plain => ({
  name: service,
  ports: ports.map((port) => (typeof port === 'number' ? { number: port } : { name: port })),
})

function jwtSpec({ issuer, audiences, jwksUri, jwks, fromHeaders, fromParams, triggers }: JwtRule): Plain {
  return {
    issuer,
    audiences,
    ...(jwksUri === null ? {} : { jwksUri }),
    ...(jwks === null ? {} : { jwks }),
    jwtHeaders: fromHeaders.map(({ name }) => name),
    jwtParams: fromParams,
    triggerRules: triggers.map(({ excluded, included }) => ({
      excludedPaths: excluded.map(pathSpec),
      includedPaths: included.map(pathSpec),
    })),
  }
}

const pathSpec = ({ kind, text }: PathMatch): Plain => ({ [kind]: text })
