/**
 * Sallyport's own engine in its three states, and the plain evaluator of the tests. Requests are made of fresh strings,
 * as a parser makes them: none was hashed or looked up before.
 */
import { parseIp, type Ip } from '../../src/address/ip.ts'
import { authorize, bind } from '../../src/authz/authorize.ts'
import { compile } from '../../src/authz/compile.ts'
import type { CompiledPolicy } from '../../src/authz/compiled-policy.ts'
import { ConnectionContext, RequestContext } from '../../src/authz/request-context.ts'
import type { AuthorizationPolicy } from '../../src/policy/authorization-policy.ts'
import { referenceVerdict } from '../../test/support/reference-evaluator.ts'
import type { Engine } from './engine.ts'
import type { Question } from './rule-mix.ts'

const mesh = { trustDomain: 'cluster.local', trustDomainAliases: [] }

export interface OurEngines {
  readonly compiled: CompiledPolicy
  /** The connection is bound, as it is after its first request. */
  readonly bound: Engine
  /** A connection that looks like an earlier one, and its first request. */
  readonly reconnecting: Engine
  /** A connection like no earlier one, and its first request. */
  readonly cold: Engine
}

export function ourEngines(
  policies: readonly AuthorizationPolicy[],
  questions: readonly Question[],
): OurEngines {
  const start = performance.now()
  const compiled = compile(policies, { ...mesh, protocol: 'http' })
  const loadMs = performance.now() - start
  const connections = questions.map(connectionOf)
  const requests = questions.map(requestOf)
  const bounds = connections.map((connection) => bind(compiled, connection))
  return {
    compiled,
    bound: {
      name: 'ours, connection bound',
      loadMs,
      ask: (n) => authorize(bounds[n] as (typeof bounds)[0], requests[n] as RequestContext).allowed,
    },
    reconnecting: {
      name: 'ours, bind + decide, peer seen before',
      loadMs,
      ask: (n) =>
        authorize(bind(compiled, connections[n] as ConnectionContext), requests[n] as RequestContext).allowed,
    },
    cold: {
      name: 'ours, bind + decide, peer never seen',
      loadMs,
      ask: (n) => {
        const connection = connections[n] as ConnectionContext
        compiled.bindings.forget(connection)
        return authorize(bind(compiled, connection), requests[n] as RequestContext).allowed
      },
    },
  }
}

export function referenceEngine(
  policies: readonly AuthorizationPolicy[],
  questions: readonly Question[],
): Engine {
  const plain = questions.map(({ caller, ip, method, path, tier }) => ({
    connection: {
      principalUri: `spiffe://${caller}`,
      sourceIp: ip,
      destinationIp: '10.0.0.2',
      destinationPort: 8080,
      sni: '',
    },
    request: {
      method,
      path,
      pathWithQuery: path,
      host: 'app.foo:8080',
      headers: tier === null ? [] : ([['x-tier', tier]] as const),
      token: null,
      peer: null,
    },
  }))
  return {
    name: 'reference evaluator',
    loadMs: 0,
    ask: (n) => {
      const { connection, request } = plain[n] as (typeof plain)[0]
      return referenceVerdict(policies, mesh, connection, request).allowed
    },
  }
}

function connectionOf({ caller, ip }: Question): ConnectionContext {
  const address = (text: string): Ip => parseIp(text) as Ip
  return new ConnectionContext(
    fresh(`spiffe://${caller}`),
    address(ip),
    address('10.0.0.2'),
    8080,
    'outbound_.80_._.app.foo.svc.cluster.local',
  )
}

function requestOf({ method, path, tier }: Question): RequestContext {
  const headers = ['host', 'app.foo:8080', 'accept', '*/*', 'user-agent', 'bench/1', 'x-request-id', '0-1-2']
  if (tier !== null) headers.push('x-tier', tier)
  return new RequestContext(
    method,
    fresh(path),
    fresh(path),
    fresh('app.foo:8080'),
    headers.map((text, i) => (i % 2 === 0 ? text : fresh(text))),
  )
}

/** The same characters as a string nobody has seen. */
const fresh = (text: string): string => Buffer.from(text, 'latin1').toString('latin1')
