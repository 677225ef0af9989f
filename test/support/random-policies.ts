/**
 * Seeded random policies, connections and requests over small vocabularies that collide often. It decides nothing; the
 * same seed makes the same cases everywhere.
 */
import type { AuthorizationPolicy, Condition, Rule, Values } from '../../src/policy/authorization-policy.ts'
import type { PlainConnection, PlainRequest } from './reference-evaluator.ts'

/** Uniform in [0, 1), repeatable: mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface Case {
  readonly policies: readonly AuthorizationPolicy[]
  readonly mesh: { readonly trustDomain: string; readonly trustDomainAliases: readonly string[] }
  readonly connection: PlainConnection
  /** null = TCP. */
  readonly request: PlainRequest | null
}

const domains = ['new.td', 'old.td', 'cluster.local', 'far.td']
const namespaces = ['a', 'ab', 'b', 'a.b']
const accounts = ['x', 'xy', 'y']
const words: Readonly<Record<string, readonly string[]>> = {
  'source.principal': [
    '*',
    'new.td/ns/a/sa/x',
    'cluster.local/ns/a/sa/x',
    'cluster.local/ns/b/sa/y',
    'old.td/ns/a/*',
    'new.td/*',
    '*/sa/x',
    '*/ns/a/sa/x',
    '*.td/ns/a/sa/x',
    'new*/ns/ab/sa/xy',
    'far.td/ns/a/sa/x',
    'spiffe://new.td/ns/a/sa/x',
    '*y',
    '*x*',
  ],
  'source.namespace': ['a', 'ab', 'b', 'a*', '*b', '*', 'a.b', 'a*b', 'sa'],
  'source.serviceAccount': ['a/x', 'a/xy', 'ab/x', 'b/y', 'x', 'y', 'a.b/x'],
  'source.trustDomain': ['new.td', 'old.td', 'cluster.local', '*.td', '*', 'n*', 'far.td', 'td'],
  'source.ip': ['10.0.0.0/8', '10.0.0.1', '10.0.1.0/24', '0.0.0.0/0', '192.168.0.1/31'],
  'destination.ip': ['10.1.0.1', '10.1.0.0/16', '10.1.0.2'],
  'destination.port': ['80', '8080', '443', '0'],
  'connection.sni': ['*', 'outbound_.80_._.s', 'outbound_*', '*.s', 's'],
  methods: ['GET', 'POST', 'get', '*', 'P*', '*T'],
  hosts: ['a.example', 'A.Example', '*.example', 'a.*', '*', 'a.example:80', 'a.example:*'],
  paths: [
    '/',
    '/a',
    '/a*',
    '/a/*',
    '*/b',
    '*',
    '/a*b',
    '*a*',
    '/A',
    '/{*}',
    '/a/{*}',
    '/{*}/b',
    '/{**}',
    '/{**}/b',
    '/a/{**}',
    '/x/{*}y',
    '{**}',
  ],
  'request.headers[X-Tier]': ['gold', 'trial', '*', 'g*', '*l', 'gold,trial'],
  'request.headers[host]': ['a.example', 'A.example', '*'],
  'request.headers[:path]': ['/a', '/a?*', '*q=1', '/a*'],
  'request.headers[:method]': ['GET', '*'],
  'request.auth.principal': [
    '*',
    'https://i/s',
    '*/s',
    '*i/s',
    '*s',
    'https://i/*',
    'https://i/s*',
    'https*',
    'https://i*',
    '*/*',
    '*i/s*',
    'https://i',
    'new.td/ns/a/sa/x',
    'new.td/ns/*',
    '*/sa/y',
    'cluster.local/*',
  ],
  'request.auth.audiences': ['a', 'b', '*', 'a*'],
  'request.auth.presenter': ['p', '*', '*p'],
  'request.auth.claims[iss]': ['https://i', '*'],
  'request.auth.claims[groups]': ['red', 'blue', '*', 'r*'],
  'request.auth.claims[realm.x][roles]': ['admin', '*', '*n'],
  'request.auth.claims[realm.x]': ['admin', '*'],
  'remote.ip': ['10.0.0.1', '10.0.0.0/8', '192.168.0.0/16', '0.0.0.0/0'],
  'request.headers[:scheme]': ['http'],
  'experimental.envoy.filters.x[y]': ['x'],
  'no.such.key': ['x'],
}

/** One case drawn from `random`. */
export function randomCase(random: () => number): Case {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const chance = (p: number): boolean => random() < p
  const times = <T>(most: number, make: () => T): T[] =>
    Array.from({ length: Math.floor(random() * (most + 1)) }, make)

  const values = (key: string): Values => {
    const list = (most: number): string[] => times(most, () => pick(words[key] as readonly string[]))
    const [some, none] = [list(3), chance(0.3) ? list(2) : []]
    return some.length + none.length > 0
      ? { values: some, notValues: none }
      : { values: [pick(words[key] as readonly string[])], notValues: [] }
  }
  const maybe = (key: string, p: number): Values | null => (chance(p) ? values(key) : null)
  const condition = (): Condition => {
    const rare = chance(0.05)
    const keys = Object.keys(words).filter((key) => key.includes('.'))
    const key = pick(rare ? keys.slice(-3) : keys.slice(0, -3))
    return { key, ...values(key) }
  }
  const rule = (): Rule => ({
    from: times(2, () => ({
      principals: maybe('source.principal', 0.4),
      requestPrincipals: maybe('request.auth.principal', 0.1),
      namespaces: maybe('source.namespace', 0.3),
      serviceAccounts: maybe('source.serviceAccount', 0.2),
      trustDomains: maybe('source.trustDomain', 0.2),
      ipBlocks: maybe('source.ip', 0.2),
      remoteIpBlocks: maybe('remote.ip', 0.1),
    })),
    to: times(2, () => ({
      hosts: maybe('hosts', 0.2),
      ports: maybe('destination.port', 0.3),
      methods: maybe('methods', 0.3),
      paths: maybe('paths', 0.3),
    })),
    when: chance(0.4) ? times(2, condition) : [],
  })
  const policy = (index: number): AuthorizationPolicy => {
    const action = pick(['ALLOW', 'ALLOW', 'ALLOW', 'DENY', 'DENY', 'AUDIT', 'CUSTOM'] as const)
    const rules = chance(0.1) ? Array.from({ length: 12 }, rule) : times(3, rule)
    return {
      meta: {
        name: `p${(index * 7) % 13}`,
        namespace: pick(['a', 'istio-system']),
        labels: {},
        annotations: {},
        createdAt: 0,
        origin: 'random',
      },
      action,
      selector: null,
      targetsGateway: false,
      rules,
      provider: action === 'CUSTOM' ? 'authorizer' : null,
      dryRun: (action === 'ALLOW' || action === 'DENY') && chance(0.1),
      quarantined: chance(0.01) ? 'spec: random' : null,
    }
  }
  const uri = (): string =>
    chance(0.15)
      ? ''
      : pick([
          `spiffe://${pick(domains)}/ns/${pick(namespaces)}/sa/${pick(accounts)}`,
          `spiffe://${pick(domains)}/ns/${pick(namespaces)}/sa/${pick(accounts)}`,
          `spiffe://${pick(domains)}/ns/${pick(namespaces)}/k/v/sa/${pick(accounts)}/k/v`,
          `spiffe://${pick(domains)}/k/v/ns/${pick(namespaces)}/sa/${pick(accounts)}`,
        ])
  const token = (): Record<string, unknown> => ({
    iss: pick(['https://i', 'https://j', '']),
    sub: pick(['s', 'st', 's/t', '*', undefined]),
    aud: pick([undefined, 'a', ['a', 'b'], [], ['ab', '']]),
    azp: pick([undefined, 'p', 'xp', ['q', 'p'], 7]),
    groups: pick([undefined, 'red', ['blue', 7, 'rose'], true, { red: 'red' }, [['red']], null]),
    'realm.x': pick([
      undefined,
      'admin',
      { roles: 'admin' },
      { roles: ['x', 'admin'] },
      { roles: 1 },
      ['admin'],
    ]),
  })
  const path = pick(['/', '/a', '/a/', '/a/b', '/b', '/A', '/aab', '/a*', '/a//b', '/a[/b'])
  const request: PlainRequest = {
    method: pick(['GET', 'POST', 'get', 'PUT']),
    path,
    pathWithQuery: path + pick(['', '?q=1', '?b']),
    host: pick(['', 'a.example', 'A.EXAMPLE', 'a.example:80', 'b.example']),
    headers: times(4, () =>
      chance(0.2)
        ? ['x-forwarded-for', pick(['10.0.0.1', '1.1.1.1, 192.168.0.9', 'rubbish', '10.0.0.1,', ''])]
        : [pick(['x-tier', 'x-tier', 'other']), pick(['gold', 'trial', '', 'gold,trial'])],
    ),
    token: chance(0.5) ? null : token(),
    peer: chance(0.85) ? null : pick(['', 'new.td/ns/a/sa/x', 'cluster.local/ns/b/sa/y']),
  }
  return {
    policies: Array.from({ length: Math.floor(random() * (chance(0.05) ? 24 : 4)) }, (_, index) =>
      policy(index),
    ),
    mesh: pick([
      { trustDomain: 'new.td', trustDomainAliases: ['old.td'] },
      { trustDomain: 'cluster.local', trustDomainAliases: [] },
      { trustDomain: 'new.td', trustDomainAliases: ['old.td', 'cluster.local'] },
    ]),
    connection: {
      principalUri: uri(),
      sourceIp: pick(['10.0.0.1', '10.0.1.7', '192.168.0.1', '172.16.0.1']),
      destinationIp: pick(['10.1.0.1', '10.1.0.2']),
      destinationPort: pick([80, 8080, 443]),
      sni: pick(['', 'outbound_.80_._.s', 's', 'a.s']),
    },
    request: chance(0.3) ? null : request,
  }
}

/** Smaller cases made from one: a policy, rule, alternative, condition or value less. For readable failures. */
export function smallerCases(given: Case): Case[] {
  const found: Case[] = []
  const without = <T>(list: readonly T[], index: number): T[] => list.filter((_, at) => at !== index)
  given.policies.forEach((policy, p) => {
    found.push({ ...given, policies: without(given.policies, p) })
    const put = (rules: readonly Rule[]): void => {
      found.push({ ...given, policies: given.policies.with(p, { ...policy, rules }) })
    }
    policy.rules.forEach((rule, r) => {
      put(without(policy.rules, r))
      rule.from.forEach((source, s) => {
        put(policy.rules.with(r, { ...rule, from: without(rule.from, s) }))
        for (const key of Object.keys(source))
          if (source[key as keyof typeof source] !== null)
            put(policy.rules.with(r, { ...rule, from: rule.from.with(s, { ...source, [key]: null }) }))
      })
      rule.to.forEach((operation, o) => {
        put(policy.rules.with(r, { ...rule, to: without(rule.to, o) }))
        for (const key of Object.keys(operation))
          if (operation[key as keyof typeof operation] !== null)
            put(policy.rules.with(r, { ...rule, to: rule.to.with(o, { ...operation, [key]: null }) }))
      })
      rule.when.forEach((_, w) => put(policy.rules.with(r, { ...rule, when: without(rule.when, w) })))
    })
  })
  return found
}
