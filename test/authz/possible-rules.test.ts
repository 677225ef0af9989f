/** Rules asked in three values: where all is known they say what the engine says, and where not the truth is among them. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseIp, type Ip } from '../../src/address/ip.ts'
import { authorize, bind } from '../../src/authz/authorize.ts'
import { compile } from '../../src/authz/compile.ts'
import { claimAsked } from '../../src/authz/request-questions.ts'
import { ConnectionContext, type RequestContext } from '../../src/authz/request-context.ts'
import { HeaderTest, type RequestTest } from '../../src/authz/request-test.ts'
import { possibleRules, type Sight } from '../../src/authz/possible-rules.ts'
import { PlainText, RecognizableText, TextWithin, type VeiledText } from '../../src/authz/veiled-text.ts'
import { claimAt } from '../../src/authz/claim.ts'
import { randomCase, seededRandom } from '../support/random-policies.ts'
import type { PlainRequest } from '../support/reference-evaluator.ts'
import { any, connection, not, policy, request, rule, when } from './judge.ts'

const seed = Number(process.env['SALLYPORT_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const cases = Number(process.env['SALLYPORT_CASES'] ?? 1500)

function askedOf({ method, path, pathWithQuery, host, headers, token }: PlainRequest): RequestContext {
  const query = pathWithQuery.slice(path.length)
  return request({ method, path, query, host, headers: headers.flat(), ...(token === null ? {} : { token }) })
}

/** What a record in one of its modes would let one see of a header or a claim. */
function veil(value: string, mode: number): VeiledText {
  if (mode === 0) return new PlainText(value)
  return mode === 1 ? new RecognizableText((text) => text === value) : new TextWithin('')
}

function sightOf(test: RequestTest, asked: RequestContext, hidden: (key: string) => number): Sight {
  const mode = hidden(test.key)
  if (mode === 4) return 'whole'
  if (mode === 3) return 'nothing'
  if (test instanceof HeaderTest) {
    const values = asked.headers.filter((_, i) => i % 2 === 1 && asked.headers[i - 1] === test.name)
    return values.includes('') ? 'whole' : values.map((value) => veil(value, mode))
  }
  const path = claimAsked(test)
  if (path === null || test.key === 'request.auth.principal') return 'whole'
  const claim = asked.token === null ? undefined : claimAt(asked.token.claims, path)
  const values: readonly unknown[] = Array.isArray(claim) ? claim : [claim]
  return values.filter((one) => typeof one === 'string' && one !== '').map((one) => veil(one as string, mode))
}

for (const [name, modes] of [
  ['where everything is known they agree with the engine', [0, 4]],
  ['whatever is hidden, the rule that decides is among the possible ones', [0, 1, 2, 3, 4]],
] as const) {
  test(name, () => {
    const random = seededRandom(seed)
    let open = 0
    for (let i = 0; i < cases; i++) {
      const given = randomCase(random)
      if (given.request === null) continue
      const { principalUri, sourceIp, destinationIp, destinationPort, sni } = given.connection
      const peer = new ConnectionContext(
        principalUri,
        parseIp(sourceIp) as Ip,
        parseIp(destinationIp) as Ip,
        destinationPort,
        sni,
      )
      const asked = askedOf(given.request)
      const compiled = compile(given.policies, { ...given.mesh, protocol: 'http' })
      const chosen = new Map<string, number>()
      const hidden = (key: string): number => {
        const mode = chosen.get(key) ?? (modes[Math.floor(random() * modes.length)] as number)
        chosen.set(key, mode)
        return mode
      }
      const { rules, missing } = possibleRules(compiled.verdict.rules, {
        connection: peer,
        request: asked,
        sees: (one) => sightOf(one, asked, hidden),
      })
      const decisions = rules.map((one) => one?.decision ?? compiled.otherwise)
      const truth = authorize(bind(compiled, peer), asked)
      const where = `seed ${seed}, case ${i}`
      assert.ok(decisions.includes(truth), where)
      if (modes.length === 2) assert.deepEqual([decisions, missing], [[truth], []], where)
      else if (decisions.length > 1) {
        open += 1
        assert.notEqual(missing.length, 0, where)
      }
    }
    if (modes.length > 2) assert.ok(open > cases / 50, `only ${open} of ${cases} were open`)
  })
}

test('a hidden value that makes no difference leaves one rule', () => {
  const compiled = compile(
    [
      policy('DENY', [
        rule({ when: [when('request.headers[x-key]', any('k'))], to: [{ paths: any('/other') }] }),
      ]),
      policy('ALLOW', [rule({ when: [when('request.headers[x-key]', any('*'))] })]),
    ],
    { trustDomain: 'cluster.local', trustDomainAliases: [], protocol: 'http' },
  )
  const asked = request({ path: '/here', headers: ['x-key', 'v'] })
  const { rules, missing } = possibleRules(compiled.verdict.rules, {
    connection: connection(),
    request: asked,
    sees: (one) => (one instanceof HeaderTest ? [new TextWithin('')] : 'whole'),
  })
  assert.deepEqual([rules.map((one) => one?.decision?.reason), missing], [['allow_rule'], []])
})

test('of a text that only begins known, patterns are judged as far as that goes', () => {
  const start = new TextWithin('/a?')
  assert.deepEqual(
    ['/a', '/a?', '/a?b', '/b', ''].map((text) => [
      start.equals(text),
      start.startsWith(text),
      start.endsWith(text),
    ]),
    [
      [false, true, null],
      [null, true, null],
      [null, null, null],
      [false, false, null],
      [false, true, true],
    ],
  )
})

test('a NOT of something hidden is as open as the thing itself', () => {
  const compiled = compile([policy('ALLOW', [rule({ when: [when('request.headers[x-key]', not('v'))] })])], {
    trustDomain: 'cluster.local',
    trustDomainAliases: [],
    protocol: 'http',
  })
  const asked = request({ headers: ['x-key', 'v'] })
  const possible = (sight: Sight) =>
    possibleRules(compiled.verdict.rules, { connection: connection(), request: asked, sees: () => sight })
      .rules
  assert.equal(possible([new TextWithin('')]).length, 2)
  assert.deepEqual(possible([new RecognizableText((text) => text === 'v')]), [null])
  assert.notEqual(possible([])[0], null, 'absent is not v')
})
