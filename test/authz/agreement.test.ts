/**
 * The compiled engine against the reference evaluator on random cases, http and tcp. SALLYPORT_CASES asks for more of
 * them, SALLYPORT_SEED repeats a run; a disagreement is cut down before it is shown.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { parseIp, type Ip } from '../../src/address/ip.ts'
import { audit, authorize, bind, custom, shadow } from '../../src/authz/authorize.ts'
import { compile } from '../../src/authz/compile.ts'
import type { CompiledPolicy } from '../../src/authz/compiled-policy.ts'
import type { Rule } from '../../src/policy/authorization-policy.ts'
import { ConnectionContext, RequestContext } from '../../src/authz/request-context.ts'
import { randomCase, seededRandom, smallerCases, type Case } from '../support/random-policies.ts'
import {
  referenceBeside,
  referenceVerdict,
  type Beside,
  type PlainRequest,
  type Verdict,
} from '../support/reference-evaluator.ts'
import { boundToPeer, tokenOf } from './judge.ts'

const cases = Number(process.env['SALLYPORT_CASES'] ?? 8000)
const seed = Number(process.env['SALLYPORT_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

interface Outcome {
  readonly verdict: Verdict
  readonly beside: Beside
}

const providers = new Map([['authorizer', 'grpc' as const]])

function compileCase({ policies, mesh, request }: Case): CompiledPolicy {
  return compile(policies, { ...mesh, protocol: request === null ? 'tcp' : 'http', providers })
}

function compiledOutcome(given: Case, compiled = compileCase(given)): Outcome {
  const { connection, request } = given
  const bound = bind(
    compiled,
    new ConnectionContext(
      connection.principalUri,
      parseIp(connection.sourceIp) as Ip,
      parseIp(connection.destinationIp) as Ip,
      connection.destinationPort,
      connection.sni,
    ),
  )
  if (request === null) assert.notEqual(bound.constant, null, 'a tcp verdict is constant')
  const context = request && contextOf(request)
  const { allowed, permit, reason, policy, rule } = authorize(bound, context)
  assert.equal(permit !== null, allowed)
  return {
    verdict: { allowed, reason, policy, rule },
    beside: {
      audit: audit(bound, context),
      shadow: [...shadow(bound, context)],
      custom: custom(bound, context)?.ruleId ?? null,
    },
  }
}

function contextOf(request: PlainRequest): RequestContext {
  const { method, path, pathWithQuery, host, headers } = request
  const context = new RequestContext(method, path, pathWithQuery, host, headers.flat())
  if (request.token !== null) context.token = tokenOf(request.token)
  if (request.peer !== null) context.token = boundToPeer(request.peer, context.token)
  return context
}

function plainOutcome({ policies, mesh, connection, request }: Case): Outcome {
  return {
    verdict: referenceVerdict(policies, mesh, connection, request),
    beside: referenceBeside(policies, mesh, connection, request),
  }
}

const agrees = (given: Case): boolean => isDeepStrictEqual(compiledOutcome(given), plainOutcome(given))

test(`compiled and plain evaluation agree on ${cases} random cases (SALLYPORT_SEED=${seed})`, () => {
  const random = seededRandom(seed)
  const seen = new Map<string, number>()
  for (let i = 0; i < cases; i++) {
    let given = randomCase(random)
    if (!agrees(given)) {
      for (let next: Case | undefined = given; next !== undefined;) {
        given = next
        next = smallerCases(given).find((smaller) => !agrees(smaller))
      }
      const shown = JSON.stringify(given, (_, value: unknown) => value ?? undefined, 1)
      assert.deepEqual(compiledOutcome(given), plainOutcome(given), `seed ${seed}, case ${i}: ${shown}`)
    }
    const { reason } = plainOutcome(given).verdict
    seen.set(reason, (seen.get(reason) ?? 0) + 1)
  }
  // A generator that only ever reaches one verdict proves nothing.
  for (const reason of [
    'no_allow_policy',
    'allow_rule',
    'deny_rule',
    'no_allow_matched',
    'quarantined_policy',
  ])
    assert.ok((seen.get(reason) ?? 0) > cases / 1000, `${reason} seen ${seen.get(reason) ?? 0} times`)
})

test(`they agree when many connections share large compiled sets (SALLYPORT_SEED=${seed})`, () => {
  const random = seededRandom(seed + 1)
  for (let set = 0; set < Math.max(2, cases / 2000); set++) {
    const first = randomCase(random)
    const policies = Array.from({ length: 60 }, () => randomCase(random).policies)
      .flat()
      // A rule that matches at once, among so many, would hide the rest.
      .filter(({ quarantined }) => quarantined === null)
      .map((policy) => ({ ...policy, rules: policy.rules.filter(isNarrow) }))
      .map((policy, i) => ({ ...policy, meta: { ...policy.meta, name: `p${i}` } }))
    const compiled = new Map<boolean, CompiledPolicy>()
    for (let i = 0; i < 100; i++) {
      const { connection, request } = randomCase(random)
      const given = { ...first, policies, connection, request }
      const known = compiled.get(request === null) ?? compileCase(given)
      compiled.set(request === null, known)
      assert.deepEqual(
        compiledOutcome(given, known),
        plainOutcome(given),
        `seed ${seed}, set ${set}, pair ${i}: ${JSON.stringify({ connection, request })}`,
      )
    }
  }
})

function isNarrow({ from, to, when }: Rule): boolean {
  return from.length + to.length > 0 && when.length > 0
}
