/**
 * Every field of AuthorizationPolicy with its not-twin, from YAML to verdict: the table of policy-semantics §1.3 with its
 * TCP column. What each value matches in detail is shown in `test/authz`.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { asking, policy } from './asking.ts'

const timeout = 10_000

interface Case {
  /** A field of a source or operation, or a `when` key. */
  readonly field: string
  readonly value: string
  /** A request that has the value, and one that has not. */
  readonly hit: object
  readonly miss: object
  /** T: judged on TCP too. H: HTTP only. */
  readonly tcp: 'T' | 'H'
}

const caller = (principal: string) => ({ source: { principal, ip: '10.0.0.1' } })
const web = caller('cluster.local/ns/shop/sa/web')
const other = caller('far.example/ns/attic/sa/box')
const nobody = { source: { ip: '10.0.0.1' } }
const from = (ip: string) => ({ source: { ip } })
const header = (value: string) => ({ headers: { 'x-tier': value } })
const claims = (more: object) => ({ claims: { iss: 'https://idp', sub: 'ann', ...more } })
const port = (number: number) => ({ destination: { ip: '10.1.0.1', port: number } })

const cases: readonly Case[] = [
  { field: 'principals', value: 'cluster.local/ns/shop/sa/web', hit: web, miss: nobody, tcp: 'T' },
  { field: 'requestPrincipals', value: 'https://idp/ann', hit: claims({}), miss: nobody, tcp: 'H' },
  { field: 'namespaces', value: 'shop', hit: web, miss: other, tcp: 'T' },
  { field: 'serviceAccounts', value: 'shop/web', hit: web, miss: other, tcp: 'T' },
  { field: 'trustDomains', value: 'cluster.local', hit: web, miss: other, tcp: 'T' },
  { field: 'ipBlocks', value: '10.0.0.0/8', hit: nobody, miss: from('192.168.0.1'), tcp: 'T' },
  { field: 'remoteIpBlocks', value: '10.0.0.1', hit: nobody, miss: from('192.168.0.1'), tcp: 'T' },
  { field: 'hosts', value: 'api.example', hit: { host: 'API.example' }, miss: { host: 'a' }, tcp: 'H' },
  { field: 'ports', value: '8080', hit: port(8080), miss: port(80), tcp: 'T' },
  { field: 'methods', value: 'GET', hit: { method: 'GET' }, miss: { method: 'PUT' }, tcp: 'H' },
  { field: 'paths', value: '/api/*', hit: { path: '/x/../api/1?q' }, miss: { path: '/api' }, tcp: 'H' },
  { field: 'source.principal', value: '*/sa/web', hit: web, miss: nobody, tcp: 'T' },
  { field: 'source.namespace', value: 's*p', hit: web, miss: other, tcp: 'T' },
  { field: 'source.serviceAccount', value: 'shop/web', hit: web, miss: nobody, tcp: 'T' },
  { field: 'source.trustDomain', value: '*.local', hit: web, miss: other, tcp: 'T' },
  { field: 'source.ip', value: '10.0.0.1', hit: nobody, miss: from('10.0.0.2'), tcp: 'T' },
  { field: 'remote.ip', value: '2001:db8::/32', hit: from('2001:db8::1'), miss: nobody, tcp: 'T' },
  { field: 'destination.ip', value: '10.1.0.0/16', hit: port(80), miss: {}, tcp: 'T' },
  { field: 'destination.port', value: '08080', hit: port(8080), miss: port(80), tcp: 'T' },
  { field: 'connection.sni', value: '*.example', hit: { ...web, sni: 'a.example' }, miss: web, tcp: 'T' },
  { field: 'request.headers[X-Tier]', value: 'gold', hit: header('gold'), miss: header('tin'), tcp: 'H' },
  { field: 'request.headers[:path]', value: '*q=1', hit: { path: '/?q=1' }, miss: { path: '/' }, tcp: 'H' },
  { field: 'request.auth.principal', value: 'https://idp/*', hit: claims({}), miss: nobody, tcp: 'H' },
  {
    field: 'request.auth.audiences',
    value: 'a',
    hit: claims({ aud: ['b', 'a'] }),
    miss: claims({}),
    tcp: 'H',
  },
  { field: 'request.auth.presenter', value: 'cli', hit: claims({ azp: 'cli' }), miss: claims({}), tcp: 'H' },
  {
    field: 'request.auth.claims[realm][roles]',
    value: 'admin',
    hit: claims({ realm: { roles: ['user', 'admin'] } }),
    miss: claims({ realm: { roles: ['user'] } }),
    tcp: 'H',
  },
  {
    field: 'request.auth.claims[scope]',
    value: 'read',
    hit: claims({ scope: 'write  read' }),
    miss: claims({ scope: 'reader' }),
    tcp: 'H',
  },
]

const operations = ['hosts', 'ports', 'methods', 'paths']

function ruleOf(field: string, value: string, positive: boolean): object {
  if (field.includes('.')) return { when: [{ key: field, [positive ? 'values' : 'notValues']: [value] }] }
  const key = positive ? field : `not${field.charAt(0).toUpperCase()}${field.slice(1)}`
  return operations.includes(field)
    ? { to: [{ operation: { [key]: [value] } }] }
    : { from: [{ source: { [key]: [value] } }] }
}

for (const { field, value, hit, miss, tcp } of cases) {
  test(`${field} and its not-twin decide, on TCP as the table says`, { timeout }, async (t) => {
    const places = (['ALLOW', 'DENY'] as const).flatMap((action) =>
      [true, false].map((positive) => ({
        action,
        positive,
        namespace: `${action}-${positive}`.toLowerCase(),
      })),
    )
    const written = places.map(({ action, positive, namespace }) =>
      policy('p', { action, rules: [ruleOf(field, value, positive)] }, {}, namespace),
    )
    const ask = await asking(t, written.join(''))
    for (const { action, positive, namespace } of places) {
      for (const [question, hits] of [
        [hit, true],
        [miss, false],
      ] as const) {
        const shown = `${action} ${positive ? '' : 'not '}${value}: ${JSON.stringify(question)}`
        const matches = hits === positive
        const http = await ask({ workload: { namespace }, ...question })
        assert.equal(http.allowed, (action === 'ALLOW') === matches, shown)
        assert.equal(http.policy, matches ? `${namespace}/p` : null, shown)
        const opaque = await ask({ workload: { namespace }, protocol: 'tcp', ...question })
        // HTTP only: an ALLOW rule is lost, a DENY rule is without the field.
        assert.equal(opaque.allowed, tcp === 'T' ? http.allowed : false, `on TCP, ${shown}`)
      }
    }
  })
}
