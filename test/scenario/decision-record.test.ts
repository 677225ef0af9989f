/** What is recorded of verdicts by a real data thread: the decision log, what is explained afterwards, and what is counted. */
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { authentication, issuer, jwtRule, keySet, signer, token } from '../jwt/issuer.ts'
import { httpApplication, tcpApplication } from '../support/applications.ts'
import { Harness, inboundPort, policies, policy } from '../support/data-plane-harness.ts'
import type { HarnessOptions, SnapshotParts } from '../support/data-plane-harness.ts'
import { createTestCa } from '../support/test-ca.ts'
import { dialTls, dialWire } from '../support/wire-client.ts'
import type { DataplaneSettings } from '../../src/dataplane/dataplane-settings.ts'

const timeout = 5000
const ca = await createTestCa({ trustDomain: 'cluster.local' })
const own = await ca.svid('shop', 'web')
const client = await ca.svid('shop', 'client')
const provider = await signer('ES256', 'k1')
const mesh = { identity: client, alpn: ['istio-http/1.1', 'istio', 'http/1.1'] }
const get = (path: string, fields = ''): string => `GET ${path} HTTP/1.1\r\nhost: web\r\n${fields}\r\n`
const key = Buffer.from('a key of thirty-two characters, or more')

const decisions = (more: Partial<DataplaneSettings['decisions']>): HarnessOptions['settings'] => ({
  decisions: { log: true, sampleRate: 1, showValues: false, ...more },
})

async function started(t: TestContext, options: HarnessOptions = {}) {
  const application = await httpApplication(t)
  const harness = await Harness.start({ applications: [application.port], ...options })
  t.after(() => harness.thread.hear({ type: 'close' }))
  harness.identity(own, { 'cluster.local': ca.rootPem })
  const apply = (parts: SnapshotParts = {}, mode: 'PERMISSIVE' | 'STRICT' = 'PERMISSIVE'): void =>
    harness.apply({
      inboundPorts: [inboundPort(harness.port, 'http', mode)],
      defaultMtls: mode,
      ...parts,
    })
  const stop = async (peer: { readonly stream: { destroy(): unknown } }): Promise<void> => {
    peer.stream.destroy()
    await harness.quiet()
    await harness.stop()
  }
  return { harness, apply, stop }
}

test(
  'a refusal is a line with who asked for what, what was wanted and how near it came; what was allowed names its rule',
  { timeout },
  async (t) => {
    const { harness, apply, stop } = await started(t)
    apply({
      authorizationPolicies: policy(
        'ALLOW',
        '[{from: [{source: {principals: ["cluster.local/ns/shop/sa/client"]}}], to: [{operation: {methods: [GET]}}]}]',
        'readers',
      ),
    })
    const peer = await dialTls(t, harness.port, mesh)
    peer.send(get('/a/../b?x=1', 'x-request-id: one\r\n'))
    assert.equal((await peer.response()).status, 200)
    const allowed = await harness.decision()
    assert.deepEqual(
      [
        allowed.v,
        allowed.verdict,
        allowed.action,
        allowed.policy,
        allowed.rule,
        allowed.reason,
        allowed.miss,
      ],
      [1, 'allowed', 'ALLOW', 'shop/readers', 0, 'allow_rule', null],
    )
    assert.deepEqual(
      [allowed.event, allowed.protocol, allowed.requestId, allowed.method, allowed.host, allowed.path],
      ['request', 'http', 'one', 'GET', 'web', '/a/../b?(redacted)'],
    )
    assert.equal(allowed.source.principal, 'cluster.local/ns/shop/sa/client')
    assert.deepEqual(allowed.destination, { ip: '127.0.0.1', port: harness.port })
    assert.deepEqual(allowed.workload, {
      namespace: 'shop',
      name: 'web',
      labels: { app: 'web', version: 'v1' },
    })
    const schema = /export interface DecisionLine \{\n([\s\S]*?)\n\}/.exec(
      readFileSync('src/telemetry/decision-line.ts', 'utf8'),
    )?.[1]
    const keys = [...(schema ?? '').matchAll(/^ {2}readonly (\w+):/gm)].map(([, name]) => name)
    assert.deepEqual(Object.keys(allowed).sort(), keys.sort(), 'the line has the keys of the schema')
    assert.deepEqual([allowed.generation, allowed.normalization, allowed.mtls], [1, 'BASE', 'PERMISSIVE'])

    peer.send(get('/b', 'x-request-id: two\r\n').replace('GET', 'PUT'))
    assert.equal((await peer.response()).status, 403)
    const denied = await harness.decision()
    assert.deepEqual(
      [denied.verdict, denied.action, denied.policy, denied.reason, denied.sample],
      ['denied', null, null, 'no_allow_matched', 1],
    )
    assert.deepEqual(denied.miss, {
      policy: 'shop/readers',
      rule: 0,
      at: 'to[0]',
      field: 'methods',
      wanted: ['GET'],
      unwanted: [],
      observed: ['PUT'],
    })
    await stop(peer)
  },
)

const privateRules =
  '[{when: [{key: "request.headers[x-key]", values: [s3cret]}, {key: "request.auth.claims[group]", values: [red]}, ' +
  '{key: "request.headers[authorization]", values: ["Bearer*"]}, {key: "request.headers[cookie]", notValues: [x]}, ' +
  '{key: "request.headers[:path]", notValues: ["*none"]}]}]'

for (const [shown, name] of [
  [false, 'by default no value of a header, claim or query is told, in lines, explanations or counts'],
  [true, 'with values shown, tokens and cookies are still told nowhere'],
] as const) {
  test(name, { timeout }, async (t) => {
    const { harness, apply, stop } = await started(t, { settings: decisions({ showValues: shown }) ?? {} })
    apply({
      requestAuthentications: [
        authentication(jwtRule({ jwks: keySet(provider), forwardOriginalToken: true })),
      ],
      authorizationPolicies: [
        ...policy('ALLOW', privateRules, 'private'),
        ...policy('DENY', '[{when: [{key: "request.headers[x-other]", values: ["guess*"]}]}]', 'other'),
      ],
    })
    const bearer = await token(provider, { sub: 'alice-the-user', group: ['blue-group', 7] })
    const peer = await dialWire(t, harness.port)
    peer.send(
      get(
        '/p?access_token=hidden-query&q=seen-query',
        `authorization: Bearer ${bearer}\r\ncookie: session=hidden-cookie\r\nx-key: my-guess\r\nx-key: other-guess\r\n` +
          'x-unasked: never-asked\r\nx-request-id: r\r\n',
      ),
    )
    await peer.response()
    const line = await harness.decision()
    // The parameter is no token: 401.
    assert.equal(line.token, 'refused')
    peer.send(
      get(
        '/p?q=seen-query',
        `authorization: Bearer ${bearer}\r\ncookie: session=hidden-cookie\r\nx-key: my-guess\r\nx-key: other-guess\r\n` +
          'x-unasked: never-asked\r\nx-request-id: s\r\n',
      ),
    )
    assert.equal((await peer.response()).status, 403)
    const judged = await harness.decision()
    assert.equal(judged.token, 'verified')
    assert.ok(judged.miss !== null)
    const explained = harness.explain({ requestId: 's' })
    assert.ok((explained?.explanation ?? null) !== null)
    const told = JSON.stringify([
      line,
      judged,
      explained,
      harness.explain({ requestId: 'r' }),
      harness.metrics(),
    ])
    const [, payload = ''] = bearer.split('.')
    for (const secret of [bearer, payload, 'hidden-cookie', 'hidden-query', 'never-asked'])
      assert.ok(!told.includes(secret), secret)
    for (const value of ['my-guess', 'other-guess', 'blue-group', 'seen-query', 's3cret'])
      assert.equal(told.includes(value), shown, value)
    assert.ok(!told.includes('alice-the-user'), 'nobody asked for the subject')
    const { headers, claims } = judged
    assert.equal(headers?.['x-key']?.length, 2)
    assert.deepEqual(headers['authorization'], ['(redacted)'])
    assert.deepEqual(headers['cookie'], ['(redacted)'])
    assert.equal(claims?.['iss'], issuer)
    assert.deepEqual(
      judged.asked,
      ['authorization', 'cookie', 'x-key', 'x-other']
        .map((header) => `request.headers[${header}]`)
        .toSpliced(0, 0, 'request.auth.claims[group]'),
    )
    await stop(peer)
  })
}

test(
  'with a key, equal values of one header have one digest, and another key has others',
  { timeout },
  async (t) => {
    const rules = '[{when: [{key: "request.headers[x-tier]", values: [gold]}]}]'
    const seen: (readonly string[] | undefined)[] = []
    for (const decisionKey of [key, Buffer.from('another key of thirty-two characters')]) {
      const { harness, apply, stop } = await started(t, { decisionKey })
      apply({ authorizationPolicies: policy('ALLOW', rules) })
      const peer = await dialWire(t, harness.port)
      peer.send(get('/', 'x-tier: gold\r\nx-tier: gold\r\nx-tier: tin\r\n'))
      await peer.response()
      const line = await harness.decision()
      assert.match(line.values, /^hmac:[\w-]{8}$/)
      const digests = line.headers?.['x-tier']
      assert.equal(digests?.[0], digests?.[1])
      assert.notEqual(digests?.[0], digests?.[2])
      assert.ok(!JSON.stringify(line).includes('gold'))
      seen.push(digests)
      await stop(peer)
    }
    assert.notEqual(seen[0]?.[0], seen[1]?.[0])
  },
)

test(
  'refusals that no rule gave are recorded too: plaintext on a STRICT port, an unreadable target, a bad token',
  { timeout },
  async (t) => {
    const { harness, apply, stop } = await started(t)
    apply({ requestAuthentications: [authentication(jwtRule({ jwks: keySet(provider) }))] }, 'STRICT')
    const plain = await dialWire(t, harness.port)
    plain.send(get('/'))
    await plain.over()
    const refused = await harness.decision()
    assert.deepEqual(
      [refused.reason, refused.event, refused.verdict, refused.method, refused.source.principal],
      ['plaintext_refused', 'connection', 'denied', null, null],
    )
    const peer = await dialTls(t, harness.port, mesh)
    peer.send(get('/a%00b?secret=1'))
    assert.equal((await peer.response()).status, 400)
    const target = await harness.decision()
    assert.deepEqual(
      [target.reason, target.path, target.headers, target.asked],
      ['request_target_refused', '/a%00b?(redacted)', null, []],
    )
    peer.send(get('/x', 'authorization: Bearer rubbish\r\nx-request-id: t\r\n'))
    assert.equal((await peer.response()).status, 401)
    const bad = await harness.decision()
    assert.match(bad.reason, /^jwt_authn_access_denied\{Jwt_is_not_in_the_form/)
    assert.deepEqual([bad.token, bad.bears], ['refused', ['authorization']])
    assert.equal(harness.explain({ requestId: 't' })?.explanation, null)
    const { verdicts } = harness.metrics()
    assert.deepEqual(
      verdicts.map(({ verdict, reason, policy: by, count }) => [verdict, reason, by, count]),
      [
        ['denied', 'plaintext_refused', '', 1],
        ['denied', 'request_target_refused', '', 1],
        ['denied', 'token_refused', '', 1],
      ],
    )
    await stop(peer)
  },
)

test(
  'an opaque connection is a decision when it is made and when a new policy ends it',
  { timeout },
  async (t) => {
    const application = await tcpApplication(t, (socket) => void socket.on('data', () => undefined))
    const harness = await Harness.start({ applications: [application.port] })
    const apply = (parts: SnapshotParts = {}): void =>
      harness.apply({ inboundPorts: [inboundPort(harness.port, 'tcp', 'PERMISSIVE')], ...parts })
    apply()
    const peer = await dialWire(t, harness.port)
    peer.send('hello')
    harness.clock.advance(100)
    const made = await harness.decision()
    assert.deepEqual(
      [made.event, made.protocol, made.verdict, made.reason, made.requestId, made.headers],
      ['connection', 'tcp', 'allowed', 'no_allow_policy', null, null],
    )
    apply()
    assert.equal(harness.decisions.length, 0, 'what stays allowed is nothing new')
    apply({ authorizationPolicies: policy('DENY', '[{}]', 'nobody') })
    const ended = await harness.decision()
    assert.deepEqual([ended.event, ended.verdict, ended.policy], ['rejudged', 'denied', 'shop/nobody'])
    const { ip, port } = ended.source
    const explained = harness.explain({ connection: `${ip}:${port}` })
    assert.equal(explained?.explanation?.decided?.policy, 'shop/nobody')
    await peer.over()
    await harness.quiet()
    await harness.stop()
  },
)

test(
  'a recorded request is explained afterwards by the policy that judged it, whatever is in force by then',
  { timeout },
  async (t) => {
    const { harness, apply, stop } = await started(t)
    const rules = '[{to: [{operation: {paths: ["/open*"]}}]}]'
    apply({ authorizationPolicies: policy('ALLOW', rules, 'open') })
    const peer = await dialTls(t, harness.port, mesh)
    peer.send(get('/shut', 'x-request-id: first\r\n'))
    assert.equal((await peer.response()).status, 403)
    for (const name of ['b', 'c']) apply({ authorizationPolicies: policy('ALLOW', '[{}]', name) })
    const { decision, explanation } = harness.explain({ requestId: 'first' }) ?? {}
    assert.deepEqual([decision?.generation, explanation?.miss?.policy], [1, 'shop/open'])
    assert.deepEqual(explanation?.rules[0]?.conditions, [
      { at: 'to[0]', field: 'paths', met: false, wanted: ['/open*'], unwanted: [], observed: ['/shut'] },
    ])
    assert.equal(harness.explain({ requestId: 'never' }), null)
    // A policy that many others came after is let go, and its decision is told without the reasons.
    for (const name of ['d', 'e', 'f', 'g']) {
      apply({ authorizationPolicies: policy('ALLOW', '[{}]', name) })
      peer.send(get('/'))
      assert.equal((await peer.response()).status, 200)
    }
    assert.equal(harness.explain({ requestId: 'first' })?.explanation, null)
    await stop(peer)
  },
)

test(
  'verdicts are counted by policy, dry-run results beside them, whatever is recorded',
  { timeout },
  async (t) => {
    const { harness, apply, stop } = await started(t, {
      settings: decisions({ log: false, sampleRate: 0 }) ?? {},
    })
    const dry = policies(
      'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n' +
        'metadata: {name: dry, namespace: shop, annotations: {"istio.io/dry-run": "true"}}\n' +
        'spec: {action: DENY, rules: [{to: [{operation: {methods: [PUT]}}]}]}\n',
    )
    apply({
      authorizationPolicies: [...policy('ALLOW', '[{to: [{operation: {paths: ["/a"]}}]}]', 'a'), ...dry],
    })
    const peer = await dialWire(t, harness.port)
    for (const text of [get('/a'), get('/a'), get('/b'), get('/a').replace('GET', 'PUT')]) {
      peer.send(text)
      await peer.response()
    }
    const { verdicts, shadows } = harness.metrics()
    assert.deepEqual(verdicts, [
      { verdict: 'allowed', reason: 'allow_rule', policy: 'shop/a', count: 3 },
      { verdict: 'denied', reason: 'no_allow_matched', policy: '', count: 1 },
    ])
    assert.deepEqual(shadows, [
      { action: 'DENY', result: 'allowed', policy: '', count: 3 },
      { action: 'DENY', result: 'denied', policy: 'shop/dry', count: 1 },
    ])
    assert.equal(harness.decisions.length, 0)
    await stop(peer)
  },
)

test(
  'a writer that takes nothing costs lines, which are counted, and holds up no request',
  { timeout: 20_000 },
  async (t) => {
    const { harness, apply, stop } = await started(t)
    harness.holdDecisions = true
    apply({ authorizationPolicies: policy('DENY', '[{to: [{operation: {paths: ["/no*"]}}]}]') })
    const peer = await dialWire(t, harness.port)
    const long = `/no/${'x'.repeat(50_000)}`
    // Each line is long, so that few of them fill what may be under way.
    for (let i = 0; i < 120; i++) {
      peer.send(get(long))
      assert.equal((await peer.response()).status, 403)
    }
    const { droppedDecisions } = harness.metrics()
    assert.ok(droppedDecisions > 0 && droppedDecisions < 120, String(droppedDecisions))
    assert.equal(harness.decisions.length + droppedDecisions, 120)
    harness.takeDecisions()
    peer.send(get('/no'))
    await peer.response()
    assert.equal(harness.metrics().droppedDecisions, droppedDecisions, 'what was taken makes room')
    await stop(peer)
  },
)
