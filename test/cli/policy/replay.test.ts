/**
 * What a real data thread recorded under random policies, judged again: under the same policies nothing changes, and what is
 * foretold of other policies is what the thread then does. The same requests are really sent under both.
 */
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { readRecorded } from '../../../src/cli/policy/recorded-decision.ts'
import type { Recorded, RecordedVerdict } from '../../../src/cli/policy/recorded-decision.ts'
import { Replay } from '../../../src/cli/policy/replay.ts'
import type { Replayed } from '../../../src/cli/policy/replayed.ts'
import type { DecodedConfig } from '../../../src/discovery/build-snapshot.ts'
import type { AuthorizationPolicy } from '../../../src/policy/authorization-policy.ts'
import type { MeshConfig } from '../../../src/policy/mesh-config.ts'
import type { EffectiveMtls, PeerAuthentication } from '../../../src/policy/peer-authentication.ts'
import type { RequestAuthentication } from '../../../src/policy/request-authentication.ts'
import type { DecisionLine } from '../../../src/telemetry/decision-line.ts'
import { DigestReader } from '../../../src/telemetry/value-veil.ts'
import { authentication, jwtRule, keySet, signer, token } from '../../jwt/issuer.ts'
import { httpApplication } from '../../support/applications.ts'
import { Harness, inboundPort, meshConfig } from '../../support/data-plane-harness.ts'
import { randomCase, seededRandom } from '../../support/random-policies.ts'
import { createTestCa } from '../../support/test-ca.ts'
import { dialTls, dialWire } from '../../support/wire-client.ts'
import type { WirePeer } from '../../support/wire-client.ts'

const timeout = 120_000
const seed = Number(process.env['SALLYPORT_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const rounds = Number(process.env['SALLYPORT_ROUNDS'] ?? 12)
const requestsEach = 12
const ca = await createTestCa({ trustDomain: 'cluster.local' })
const own = await ca.svid('shop', 'web')
const peers = await Promise.all([ca.svid('a', 'x'), ca.svid('ab', 'xy'), ca.svid('b', 'y')])
const provider = await signer('ES256', 'k1')
const key = Buffer.from('a key of thirty-two characters, or more')

interface World {
  readonly mesh: MeshConfig
  readonly policies: readonly AuthorizationPolicy[]
  readonly authentications: readonly RequestAuthentication[]
  readonly mode: EffectiveMtls
}

type Pick = <T>(list: readonly T[]) => T

function randomWorld(random: () => number, pick: Pick): World {
  const { policies } = randomCase(random)
  const rule = jwtRule({
    issuer: 'https://i',
    jwks: keySet(provider),
    outputClaimToHeaders: pick([[], [], [{ header: 'x-tier', claim: 'azp' }]]),
    forwardOriginalToken: pick([true, false]),
    fromParams: pick([[], [], ['access_token']]),
    presence: pick(['OPTIONAL', 'OPTIONAL', 'REQUIRED']),
  })
  return {
    mesh: {
      ...meshConfig,
      pathNormalization: pick(['NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES', 'STRICT']),
    },
    policies: policies.map((one) => ({ ...one, meta: { ...one.meta, namespace: 'shop' } })),
    authentications: pick([
      [],
      [authentication(rule)].map((one) => ({ ...one, meta: { ...one.meta, namespace: 'shop' } })),
    ]),
    mode: pick(['PERMISSIVE', 'PERMISSIVE', 'PERMISSIVE', 'STRICT']),
  }
}

/** As a folder would give it. */
function configOf({ mesh, policies, authentications, mode }: World): DecodedConfig {
  const meta = { name: 'p', namespace: 'shop', labels: {}, annotations: {}, createdAt: 0, origin: 'test' }
  const peer: PeerAuthentication = {
    meta,
    selector: null,
    mode,
    portLevel: {},
    quarantined: null,
    legacy: null,
  }
  return {
    mesh,
    authorizationPolicies: policies,
    peerAuthentications: [peer],
    requestAuthentications: authentications,
    tokenRefusals: [],
    destinationRules: [],
    services: [],
    quarantine: [],
  }
}

interface Ask {
  /** Which certificate; -1 = plaintext. */
  readonly by: number
  readonly text: string
}

async function randomAsk(random: () => number, pick: Pick): Promise<Ask> {
  const chance = (p: number): boolean => random() < p
  const path = pick([
    '/',
    '/a',
    '/a/',
    '/a/b',
    '/b',
    '/A',
    '/aab',
    '/a*',
    '/a//b',
    '/a%2Fb',
    '/a/../b',
    '/a;x/b',
    '/x/y',
    '/a%00',
  ])
  const query = pick(['', '', '?q=1', '?b', '?access_token=none'])
  const fields: string[] = [`host: ${pick(['a.example', 'A.EXAMPLE', 'a.example:80', 'b.example'])}`]
  for (let i = 0; i < 2; i++)
    if (chance(0.5))
      fields.push(`${pick(['x-tier', 'X-Tier', 'other'])}: ${pick(['gold', 'trial', '', 'gold,trial'])}`)
  if (chance(0.2)) fields.push(`x-forwarded-for: ${pick(['10.0.0.1', '1.1.1.1, 192.168.0.9', 'rubbish'])}`)
  if (chance(0.15)) fields.push('cookie: a=b')
  if (chance(0.15)) fields.push('content-type: application/grpc')
  if (chance(0.35)) {
    const claims = {
      iss: pick(['https://i', 'https://i', 'https://i', 'https://j']),
      sub: pick(['s', 'st', 's/t', undefined]),
      aud: pick([undefined, 'a', ['a', 'b'], []]),
      azp: pick([undefined, 'p', 'xp', 'gold', ['p']]),
      groups: pick([undefined, 'red', ['blue', 7, 'rose'], true, { red: 'red' }, [['red']], null]),
      'realm.x': pick([undefined, 'admin', { roles: 'admin' }, { roles: ['x', 'admin'] }, ['admin']]),
    }
    const bearer = chance(0.1) ? 'rubbish' : await token(provider, claims)
    fields.push(`authorization: ${pick(['Bearer ', 'Bearer ', 'Bearer ', 'Basic '])}${bearer}`)
  }
  const target = chance(0.1) ? `http://a.example${path}${query}` : path + query
  const method = pick(['GET', 'POST', 'PUT'])
  return {
    by: pick([-1, -1, 0, 1, 2]),
    text: `${method} ${target} HTTP/1.1\r\n${fields.join('\r\n')}\r\ncontent-length: 0\r\n\r\n`,
  }
}

class Traffic {
  readonly #t: TestContext
  readonly #harness: Harness
  readonly #peers = new Map<number, WirePeer>()

  constructor(t: TestContext, harness: Harness) {
    this.#t = t
    this.#harness = harness
  }

  async apply({ mesh, policies, authentications, mode }: World): Promise<void> {
    for (const peer of this.#peers.values()) peer.stream.destroy()
    this.#peers.clear()
    await this.#harness.quiet()
    this.#harness.apply({
      mesh,
      authorizationPolicies: policies,
      requestAuthentications: authentications,
      inboundPorts: [inboundPort(this.#harness.port, 'http', mode)],
      defaultMtls: mode,
    })
  }

  /** One request, and what was recorded of it. */
  async send({ by, text }: Ask): Promise<DecisionLine> {
    const peer = this.#peers.get(by)
    const live = peer !== undefined && peer.ending === 'open' && !peer.closed ? peer : await this.#dial(by)
    this.#peers.set(by, live)
    live.send(text)
    const line = await this.#harness.decision()
    if (line.reason === 'plaintext_refused') await live.over()
    else await live.response()
    // A refused target closes: the next request must not race it.
    if (line.reason === 'request_target_refused') {
      live.stream.destroy()
      this.#peers.delete(by)
    }
    return line
  }

  end(): void {
    for (const peer of this.#peers.values()) peer.stream.destroy()
  }

  #dial(by: number): Promise<WirePeer> {
    const identity = peers[by]
    return identity === undefined
      ? dialWire(this.#t, this.#harness.port)
      : dialTls(this.#t, this.#harness.port, { identity, alpn: ['istio-http/1.1', 'istio', 'http/1.1'] })
  }
}

function read(line: DecisionLine): Recorded {
  const found = readRecorded(JSON.stringify(line))
  assert.ok(found.ok, 'reason' in found ? found.reason : '')
  return found.recorded
}

const consistent = (foretold: Replayed, { allowed, reason, policy, rule }: RecordedVerdict): boolean => {
  if (foretold.kind === 'undecidable') return true
  if (foretold.kind === 'either-way') return foretold.allowed === allowed
  const { verdict } = foretold
  return (
    verdict.allowed === allowed &&
    verdict.reason === reason &&
    verdict.policy === policy &&
    verdict.rule === rule
  )
}

for (const [mode, settings, digests] of [
  ['values left out', {}, null],
  ['digests', { decisionKey: key }, new DigestReader(key)],
  ['values shown', { settings: { decisions: { log: true, sampleRate: 1, showValues: true } } }, null],
] as const) {
  test(`with ${mode}, a log judged again tells the truth or that it cannot`, { timeout }, async (t) => {
    const random = seededRandom(seed)
    const pick: Pick = (list) => list[Math.floor(random() * list.length)] as (typeof list)[number]
    const application = await httpApplication(t)
    const harness = await Harness.start({ applications: [application.port], ...settings })
    t.after(() => harness.thread.hear({ type: 'close' }))
    harness.identity(own, { 'cluster.local': ca.rootPem })
    const traffic = new Traffic(t, harness)
    const count = { same: 0, foretold: 0, undecidable: 0 }
    for (let round = 0; round < rounds; round++) {
      const [one, other] = [randomWorld(random, pick), randomWorld(random, pick)]
      const asks: Ask[] = []
      for (let i = 0; i < requestsEach; i++) asks.push(await randomAsk(random, pick))
      const lines: DecisionLine[][] = []
      for (const world of [one, other]) {
        await traffic.apply(world)
        const made: DecisionLine[] = []
        for (const ask of asks) made.push(await traffic.send(ask))
        lines.push(made)
      }
      const [before, after] = [new Replay(configOf(one), digests), new Replay(configOf(other), digests)]
      for (const [i, line] of (lines[0] ?? []).entries()) {
        const recorded = read(line)
        const really = read(lines[1]?.[i] as DecisionLine)
        const where = (what: Replayed): string =>
          `seed ${seed}, round ${round}: ${asks[i]?.text}${JSON.stringify([line, what, really.verdict], null, 1)}`
        const again = before.judge(recorded)
        assert.ok(consistent(again, recorded.verdict), `the same folder. ${where(again)}`)
        if (again.kind === 'decided') count.same += 1
        const foretold = after.judge(recorded)
        assert.ok(consistent(foretold, really.verdict), `another folder. ${where(foretold)}`)
        if (foretold.kind === 'undecidable') count.undecidable += 1
        else count.foretold += 1
      }
    }
    const all = rounds * requestsEach
    t.diagnostic(JSON.stringify({ seed, all, ...count }))
    assert.ok(count.same > all / 3 && count.foretold > all / 10, JSON.stringify(count))
    traffic.end()
    await harness.quiet()
    await harness.stop()
  })
}
