/**
 * Damaged policy objects, through the real door: what was valid and is damaged means what it meant or closes its scope.
 * SALLYPORT_SEED repeats a run.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { parseIp, type Ip } from '../../src/address/ip.ts'
import { audit, authorize, bind, custom, shadow } from '../../src/authz/authorize.ts'
import { compile } from '../../src/authz/compile.ts'
import { explain } from '../../src/authz/explain.ts'
import { ConnectionContext, type RequestContext } from '../../src/authz/request-context.ts'
import type { AuthorizationPolicy, Values } from '../../src/policy/authorization-policy.ts'
import { decodeResource } from '../../src/policy/decode-resource.ts'
import { defaultMeshConfig } from '../../src/policy/decode-mesh-config.ts'
import { damage, pick, spots, type Fields, type Json, type Random } from '../support/damage.ts'
import { randomCase, seededRandom, type Case } from '../support/random-policies.ts'
import type { PlainRequest } from '../support/reference-evaluator.ts'
import { request } from './judge.ts'

const seed = Number(process.env['SALLYPORT_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

/** The object an operator would have written for a policy. */
function written(policy: AuthorizationPolicy): Fields {
  const twins = (fields: object): Fields =>
    Object.fromEntries(
      Object.entries(fields).flatMap(([key, entry]) => {
        const { values = [], notValues = [] } = (entry ?? {}) as Partial<Values>
        const not = `not${key.charAt(0).toUpperCase()}${key.slice(1)}`
        return [
          ...(values.length > 0 ? [[key, values]] : []),
          ...(notValues.length > 0 ? [[not, notValues]] : []),
        ]
      }),
    )
  const some = (key: string, list: readonly Json[]): Fields => (list.length > 0 ? { [key]: list } : {})
  return structuredClone({
    action: policy.action,
    ...(policy.provider === null ? {} : { provider: { name: policy.provider } }),
    rules: policy.rules.map(({ from, to, when }) => ({
      ...some(
        'from',
        from.map((source) => ({ source: twins(source) })),
      ),
      ...some(
        'to',
        to.map((operation) => ({ operation: twins(operation) })),
      ),
      ...some(
        'when',
        when.map(({ key, values, notValues }) => ({
          key,
          ...some('values', values),
          ...some('notValues', notValues),
        })),
      ),
    })),
  })
}

function decode(spec: Json): ReturnType<typeof decodeResource> {
  const meta = { name: 'p', namespace: 'a', labels: {}, annotations: {}, createdAt: 0, origin: 'x.yaml:1' }
  const apiVersion = 'security.istio.io/v1'
  const object = { apiVersion, kind: 'AuthorizationPolicy', metadata: { name: 'p', namespace: 'a' }, spec }
  return decodeResource({ apiVersion, kind: 'AuthorizationPolicy', meta, object }, defaultMeshConfig)
}

/** What is in force for an object: its value, or its stub. */
function inForce(spec: Json): { value: AuthorizationPolicy; refused: boolean } {
  const decoded = decode(spec)
  const value =
    decoded.kind === 'refused' ? decoded.stub?.value : decoded.kind === 'ignored' ? null : decoded.value
  assert.ok(value !== null && value !== undefined && 'rules' in value, 'a policy or its stub')
  return { value: value as AuthorizationPolicy, refused: decoded.kind === 'refused' }
}

/** Anything at all, deep and odd things too. */
function scramble(spec: Fields, random: Random): void {
  const deep = (levels: number): Json => (levels === 0 ? 'x' : [deep(levels - 1)])
  for (let n = 1 + Math.floor(random() * 4); n > 0; n--) {
    const all = spots(spec)
    if (all.length === 0) return
    const { at, key } = pick(random, all)
    const odd = [
      null,
      undefined,
      [],
      {},
      '',
      '*',
      '\u0000',
      -1,
      NaN,
      1e308,
      deep(50),
      '{**}',
      'a'.repeat(5000),
      { __proto__: null },
    ]
    if (random() < 0.3) delete (at as Fields)[key]
    else {
      // A copy: a value put into itself would have no end.
      const others = all.map((other) => (other.at as Fields)[other.key])
      ;(at as Fields)[key] = structuredClone(pick(random, random() < 0.5 ? odd : others))
    }
  }
}

function judge(policies: readonly AuthorizationPolicy[], given: Case): boolean {
  const { connection, mesh } = given
  const protocol = given.request === null ? 'tcp' : 'http'
  const compiled = compile(policies, { ...mesh, protocol, providers: new Map([['authorizer', 'grpc']]) })
  const context = new ConnectionContext(
    connection.principalUri,
    parseIp(connection.sourceIp) as Ip,
    parseIp(connection.destinationIp) as Ip,
    connection.destinationPort,
    connection.sni,
  )
  const bound = bind(compiled, context)
  const asked = given.request && askedOf(given.request)
  audit(bound, asked)
  shadow(bound, asked)
  custom(bound, asked)
  const decision = authorize(bound, asked)
  assert.equal(explain(compiled, context, asked).decision, decision)
  return decision.allowed
}

test(`a damaged policy means what it meant or closes its scope (SALLYPORT_SEED=${seed})`, () => {
  const random = seededRandom(seed)
  let refusals = 0
  let tried = 0
  for (let i = 0; i < 4000; i++) {
    const given = randomCase(random)
    const [first, ...others] = given.policies
    if (first === undefined || first.rules.length === 0) continue
    const spec = written(first)
    const before = inForce(spec)
    if (before.refused) continue
    tried += 1
    damage(spec, random)
    const after = inForce(spec)
    const shown = `seed ${seed}, case ${i}: ${JSON.stringify(spec)}`
    if (after.refused) {
      refusals += 1
      assert.equal(judge([after.value, ...others], given), false, shown)
    } else assert.ok(isDeepStrictEqual(after.value, before.value), `accepted as something else, ${shown}`)
  }
  assert.ok(tried > 200 && refusals > tried / 2, `${refusals} of ${tried} refused`)
})

test(`whatever becomes of an object, nobody throws and a refused one denies (SALLYPORT_SEED=${seed})`, () => {
  const random = seededRandom(seed + 1)
  for (let i = 0; i < 1500; i++) {
    const given = randomCase(random)
    const [first, ...others] = given.policies
    if (first === undefined) continue
    const spec = written(first)
    scramble(spec, random)
    const { value, refused } = inForce(spec)
    const allowed = judge([value, ...others], given)
    if (refused) assert.equal(allowed, false, `seed ${seed}, case ${i}: ${JSON.stringify(spec)}`)
  }
})

function askedOf({ method, path, pathWithQuery, host, headers, token }: PlainRequest): RequestContext {
  const query = pathWithQuery.slice(path.length)
  return request({ method, path, query, host, headers: headers.flat(), ...(token === null ? {} : { token }) })
}
