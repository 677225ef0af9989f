/** Short ways to write policies, connections and requests, and to judge them; defaults are the dullest thing allowed. */
import { parseIp, type Ip } from '../../src/address/ip.ts'
import { authorize, bind } from '../../src/authz/authorize.ts'
import { compile } from '../../src/authz/compile.ts'
import type { Decision } from '../../src/authz/decision.ts'
import { ConnectionContext, RequestContext } from '../../src/authz/request-context.ts'
import type { RequestToken } from '../../src/authz/request-token.ts'
import type {
  Action,
  AuthorizationPolicy,
  Condition,
  Operation,
  Rule,
  Source,
  Values,
} from '../../src/policy/authorization-policy.ts'

const noSource: Source = {
  principals: null,
  requestPrincipals: null,
  namespaces: null,
  serviceAccounts: null,
  trustDomains: null,
  ipBlocks: null,
  remoteIpBlocks: null,
}
const noOperation: Operation = { hosts: null, ports: null, methods: null, paths: null }

export const any = (...values: string[]): Values => ({ values, notValues: [] })
export const not = (...notValues: string[]): Values => ({ values: [], notValues })
export const source = (fields: Partial<Source>): Source => ({ ...noSource, ...fields })
export const operation = (fields: Partial<Operation>): Operation => ({ ...noOperation, ...fields })
export const when = (key: string, values: Values): Condition => ({ key, ...values })

export function rule(parts: {
  from?: Partial<Source>[]
  to?: Partial<Operation>[]
  when?: Condition[]
}): Rule {
  return {
    from: (parts.from ?? []).map(source),
    to: (parts.to ?? []).map(operation),
    when: parts.when ?? [],
  }
}

export function policy(
  action: Action,
  rules: readonly Rule[],
  more: Partial<AuthorizationPolicy> & { name?: string; namespace?: string } = {},
): AuthorizationPolicy {
  const { name = 'bar', namespace = 'foo', ...fields } = more
  return {
    meta: { name, namespace, labels: {}, annotations: {}, createdAt: 0, origin: 'test.yaml:1' },
    action,
    selector: null,
    targetsGateway: false,
    rules,
    provider: null,
    dryRun: false,
    quarantined: null,
    ...fields,
  }
}

export interface From {
  uri?: string
  ip?: string
  to?: string
  port?: number
  sni?: string
}

export function connection(from: From = {}): ConnectionContext {
  return new ConnectionContext(
    from.uri ?? '',
    parseIp(from.ip ?? '10.0.0.1') as Ip,
    parseIp(from.to ?? '10.1.0.1') as Ip,
    from.port ?? 8080,
    from.sni ?? '',
  )
}

export interface Asked {
  method?: string
  path?: string
  query?: string
  host?: string
  headers?: string[]
  /** Payload of a verified token. */
  token?: Record<string, unknown>
  /** Name of the peer that the principal is bound to. */
  peer?: string
}

export function request(asked: Asked = {}): RequestContext {
  const path = asked.path ?? '/'
  const context = new RequestContext(
    asked.method ?? 'GET',
    path,
    path + (asked.query ?? ''),
    asked.host ?? 'a.example',
    asked.headers ?? [],
  )
  if (asked.token !== undefined) context.token = tokenOf(asked.token)
  if (asked.peer !== undefined) context.token = boundToPeer(asked.peer, context.token)
  return context
}

/** What verification leaves of a payload (policy-semantics §1.5). */
export function tokenOf(claims: Readonly<Record<string, unknown>>): RequestToken {
  const text = (name: string): string => (typeof claims[name] === 'string' ? claims[name] : '')
  const [issuer, subject] = [text('iss'), text('sub')]
  return {
    issuer,
    subject,
    principal: issuer === '' || subject === '' ? '' : `${issuer}/${subject}`,
    claims,
  }
}

/** What a legacy policy with USE_PEER makes of it (policy-semantics §7). */
export function boundToPeer(peer: string, token: RequestToken | null): RequestToken {
  return { issuer: '', subject: '', principal: peer, claims: token?.claims ?? {} }
}

export interface Mesh {
  trustDomain: string
  trustDomainAliases: string[]
}

const mesh: Mesh = { trustDomain: 'cluster.local', trustDomainAliases: [] }

export function http(
  policies: readonly AuthorizationPolicy[],
  from: From = {},
  asked: Asked = {},
  trust: Mesh = mesh,
): Decision {
  return authorize(bind(compile(policies, { ...trust, protocol: 'http' }), connection(from)), request(asked))
}

export function tcp(policies: readonly AuthorizationPolicy[], from: From = {}, trust: Mesh = mesh): Decision {
  return authorize(bind(compile(policies, { ...trust, protocol: 'tcp' }), connection(from)), null)
}

/** Whether an ALLOW policy of one rule admits, and its DENY twin refuses, the same thing. */
export function hits(written: Rule, from: From = {}, asked: Asked = {}, trust: Mesh = mesh): boolean {
  const allowed = http([policy('ALLOW', [written])], from, asked, trust).allowed
  const refused = !http([policy('DENY', [written])], from, asked, trust).allowed
  if (allowed !== refused) throw new Error(`ALLOW says ${allowed}, DENY says ${refused}`)
  return allowed
}
