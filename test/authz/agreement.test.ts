/**
 * The compiled engine against the reference evaluator on random cases, http and tcp. SALLYPORT_CASES asks for more of
 * them, SALLYPORT_SEED repeats a run; a disagreement is cut down before it is shown.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseIp, type Ip } from '../../src/address/ip.ts'
import { authorize, bind } from '../../src/authz/authorize.ts'
import { compile } from '../../src/authz/compile.ts'
import { ConnectionContext, RequestContext } from '../../src/authz/request-context.ts'
import { randomCase, seededRandom, smallerCases, type Case } from '../support/random-policies.ts'
import { referenceVerdict, type Verdict } from '../support/reference-evaluator.ts'

const cases = Number(process.env['SALLYPORT_CASES'] ?? 8000)
const seed = Number(process.env['SALLYPORT_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

function compiledVerdict({ policies, mesh, connection, request }: Case): Verdict {
  const policy = compile(policies, { ...mesh, protocol: request === null ? 'tcp' : 'http' })
  const bound = bind(
    policy,
    new ConnectionContext(
      connection.principalUri,
      parseIp(connection.sourceIp) as Ip,
      parseIp(connection.destinationIp) as Ip,
      connection.destinationPort,
      connection.sni,
    ),
  )
  if (request === null) assert.notEqual(bound.constant, null, 'a tcp verdict is constant')
  const decision = authorize(
    bound,
    request &&
      new RequestContext(
        request.method,
        request.path,
        request.pathWithQuery,
        request.host,
        request.headers.flat(),
      ),
  )
  assert.equal(decision.permit !== null, decision.allowed)
  return {
    allowed: decision.allowed,
    reason: decision.reason,
    policy: decision.policy,
    rule: decision.rule,
  }
}

const expected = (given: Case): Verdict =>
  referenceVerdict(given.policies, given.mesh, given.connection, given.request)

const agrees = (given: Case): boolean => {
  const [x, y] = [compiledVerdict(given), expected(given)]
  return x.allowed === y.allowed && x.reason === y.reason && x.policy === y.policy && x.rule === y.rule
}

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
      assert.deepEqual(compiledVerdict(given), expected(given), `seed ${seed}, case ${i}: ${shown}`)
    }
    const { reason } = expected(given)
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
