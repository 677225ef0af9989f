/**
 * The origins of one legacy policy at one place as the modern kinds would have them: a RequestAuthentication, and the
 * AuthorizationPolicy that demands its tokens. Where the two cannot say the same, they say what closes more.
 */
import type { Selector } from '../../policy/resource.ts'
import type { JwtRule } from '../../policy/request-authentication.ts'
import type { PathMatch, TriggerRule } from '../../policy/trigger-rule.ts'
import type { LegacyPolicy } from '../../policy/legacy-policy.ts'

type Plain = Readonly<Record<string, unknown>>

export interface TokenObjects {
  readonly authentication: Plain
  /** null when no token is demanded. */
  readonly authorization: Plain | null
  /** What the objects say more strictly than the policy. */
  readonly stricter: readonly string[]
}

export interface TokenPlace {
  readonly selector: Selector | null
  /** Workload ports on which the token is demanded; null = all. */
  readonly ports: readonly number[] | null
  /** Other rules verify tokens for the same workloads: one of theirs must not do. */
  readonly shared: boolean
}

export function tokenObjects({ origins, demand }: LegacyPolicy, place: TokenPlace): TokenObjects {
  const { selector, ports, shared } = place
  const select = selector === null ? {} : { selector: { matchLabels: selector } }
  const authentication = { ...select, jwtRules: origins.map(jwtRule) }
  if (demand !== 'required' || ports?.length === 0)
    return { authentication, authorization: null, stricter: [] }
  const stricter: string[] = []
  const groups = Map.groupBy(origins, ({ triggers }) => JSON.stringify(triggers))
  if (groups.size > 1)
    stricter.push('origins have different trigger rules: where two of them fire, tokens of both are demanded')
  const rules = [...groups.values()].flatMap((group) => {
    const [first] = group
    const principals = shared || groups.size > 1 ? group.map(({ issuer }) => `${issuer}/*`) : ['*']
    const regions =
      first === undefined || first.triggers.length === 0
        ? [{}]
        : first.triggers.map((rule) => region(rule, stricter))
    return regions.flatMap((paths) => demandRules(principals, { ...portsOf(ports), ...paths }))
  })
  return { authentication, authorization: { ...select, action: 'DENY', rules }, stricter }
}

const portsOf = (ports: readonly number[] | null): Plain =>
  ports === null ? {} : { ports: ports.map(String) }

function jwtRule({ issuer, audiences, jwksUri, jwks, fromHeaders, fromParams }: JwtRule): Plain {
  return {
    issuer,
    ...(audiences.length === 0 ? {} : { audiences }),
    ...(jwksUri === null ? {} : { jwksUri }),
    ...(jwks === null ? {} : { jwks }),
    ...(fromHeaders.length === 0 ? {} : { fromHeaders: fromHeaders.map(({ name }) => ({ name })) }),
    ...(fromParams.length === 0 ? {} : { fromParams }),
    forwardOriginalToken: true,
  }
}

/**
 * A request without the principal is refused unless it is a CORS preflight, which legacy origins are not asked of: one rule
 * for each of the three things that make it none.
 */
function demandRules(principals: readonly string[], operation: Plain): Plain[] {
  const from = [{ source: { notRequestPrincipals: principals } }]
  const to = (more: Plain): Plain => {
    const fields = { ...operation, ...more }
    return Object.keys(fields).length === 0 ? {} : { to: [{ operation: fields }] }
  }
  const absent = (name: string): Plain => ({ when: [{ key: `request.headers[${name}]`, notValues: ['*'] }] })
  return [
    { from, ...to({ notMethods: ['OPTIONS'] }) },
    { from, ...to({}), ...absent('origin') },
    { from, ...to({}), ...absent('access-control-request-method') },
  ]
}

/** Paths on which a trigger rule fires; what policy has no words for is left out on the side that asks for more tokens. */
function region({ excluded, included }: TriggerRule, stricter: string[]): Plain {
  const values = (list: readonly PathMatch[]): readonly (string | null)[] => list.map(pathValue)
  const [out, within] = [values(excluded), values(included)]
  for (const [at, value] of [...out, ...within].entries()) {
    if (value !== null) continue
    const match = [...excluded, ...included][at]
    stricter.push(
      `${match?.kind} ${JSON.stringify(match?.text)} cannot be written as a path: a token is demanded ${at < out.length ? 'there too' : 'on every path'}`,
    )
  }
  const notPaths = out.filter((value) => value !== null)
  const everywhere = within.includes(null) || within.length === 0
  return {
    ...(everywhere ? {} : { paths: within }),
    ...(notPaths.length === 0 ? {} : { notPaths }),
  }
}

/** null when no value of `paths` means the same. */
function pathValue({ kind, text }: PathMatch): string | null {
  // Braces are for templates there.
  if (/[{}]/.test(text)) return null
  switch (kind) {
    case 'exact':
      return text.startsWith('*') || text.endsWith('*') ? null : text
    case 'prefix':
      return text.startsWith('*') ? null : `${text}*`
    case 'suffix':
      return `*${text}`
    case 'regex':
      return null
  }
}
