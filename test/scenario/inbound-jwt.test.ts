import { test } from 'node:test'
import assert from 'node:assert/strict'
import { authentication, forged, issuer, jwtRule, keySet, signer, token } from '../jwt/issuer.ts'
import { httpApplication } from '../support/applications.ts'
import { Harness, inboundPort, policy } from '../support/data-plane-harness.ts'
import { createTestCa } from '../support/test-ca.ts'
import { dialWire } from '../support/wire-client.ts'

const timeout = 5000
const ca = await createTestCa({ trustDomain: 'cluster.local' })
const own = await ca.svid('shop', 'web')
const provider = await signer('ES256', 'k1')
const stranger = await signer('ES256', 'k1')
const rule = jwtRule({ jwks: keySet(provider), outputClaimToHeaders: [{ header: 'x-user', claim: 'sub' }] })
const get = (path: string, fields = ''): string => `GET ${path} HTTP/1.1\r\nhost: web\r\n${fields}\r\n`
const bearer = (text: string): string => `authorization: Bearer ${text}\r\n`

test(
  'a valid token gives the identity that ALLOW asks for; none is 403, a forged one 401 in its exact form',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const harness = await Harness.start({ applications: [application.port] })
    harness.identity(own, { 'cluster.local': ca.rootPem })
    harness.apply({
      inboundPorts: [inboundPort(harness.port, 'http', 'PERMISSIVE')],
      requestAuthentications: [authentication(rule)],
      authorizationPolicies: policy(
        'ALLOW',
        `[{from: [{source: {requestPrincipals: ["${issuer}/alice"]}}]}]`,
      ),
    })
    const peer = await dialWire(t, harness.port)

    peer.send(get('/mine', bearer(await token(provider)) + 'x-user: root\r\n'))
    assert.equal((await peer.response()).status, 200)
    const seen = application.requests[0]?.headers
    assert.equal(seen?.['x-user'], 'alice', "ours, and none of the client's")
    assert.equal(seen?.['authorization'], undefined, 'the token ends here')

    peer.send(get('/mine', bearer(await token(provider, { sub: 'mallory' }))))
    assert.equal((await peer.response()).status, 403)

    peer.send(get('/mine', 'x-user: alice\r\n'))
    const without = await peer.response()
    assert.equal(without.status, 403)
    assert.equal(without.body, 'RBAC: access denied')

    peer.send(get('/mine?x=1', bearer(await token(stranger))))
    const forged = await peer.response()
    assert.equal(forged.status, 401)
    assert.equal(forged.body, 'Jwt verification fails')
    assert.equal(
      forged.headers['www-authenticate'],
      'Bearer realm="http://web/mine?x=1", error="invalid_token"',
    )

    assert.equal(application.requests.length, 1)
    peer.stream.destroy()
    await harness.quiet()
    await harness.stop()
  },
)

test('a policy that depends on a claim is judged by the verified claim alone', { timeout }, async (t) => {
  const application = await httpApplication(t)
  const harness = await Harness.start({ applications: [application.port] })
  harness.identity(own, { 'cluster.local': ca.rootPem })
  harness.apply({
    inboundPorts: [inboundPort(harness.port, 'http', 'PERMISSIVE')],
    requestAuthentications: [authentication(rule)],
    authorizationPolicies: policy(
      'DENY',
      '[{when: [{key: "request.auth.claims[groups]", notValues: [admin]}]}]',
    ),
  })
  const peer = await dialWire(t, harness.port)
  peer.send(get('/', bearer(await token(provider, { groups: ['dev', 'admin'] }))))
  assert.equal((await peer.response()).status, 200)
  peer.send(get('/', bearer(await token(provider, { groups: ['dev'] }))))
  assert.equal((await peer.response()).status, 403)
  peer.send(get('/'))
  assert.equal((await peer.response()).status, 403, 'no token, no claim: notValues match')
  peer.stream.destroy()
  await harness.quiet()
  await harness.stop()
})

test(
  'a bad token of whatever kind is told its exact text over the wire, and the connection serves on',
  { timeout },
  async (t) => {
    const application = await httpApplication(t)
    const harness = await Harness.start({ applications: [application.port] })
    harness.identity(own, { 'cluster.local': ca.rootPem })
    harness.apply({
      inboundPorts: [inboundPort(harness.port, 'http', 'PERMISSIVE')],
      requestAuthentications: [authentication(rule)],
    })
    const peer = await dialWire(t, harness.port)
    const good = await token(provider)
    const [header = '', payload = '', signature = ''] = good.split('.')
    const deep = `{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`
    const form = 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'
    for (const [text, body] of [
      [good.slice(0, good.lastIndexOf('.')), form],
      [`${header}.${payload}.`, form],
      [`${good}.x`, form],
      // Whole groups of four: what is left is base64url of one byte less.
      [good.slice(0, -2), 'Jwt verification fails'],
      [`${header}.${payload}.${signature}=`, 'Jwt signature is an invalid Base64url encoded'],
      [`${header}.!.${signature}`, 'Jwt payload is an invalid Base64url encoded'],
      [forged({ alg: 'none' }, { iss: issuer }), 'Jwt header [alg] is not supported'],
      [
        forged({ alg: 'HS256', kid: 'k1' }, { iss: issuer }),
        "Jwks doesn't have key to match kid or alg from Jwt",
      ],
      [forged({ alg: 'ES256' }, deep), 'Jwt payload is an invalid JSON'],
      [`${'a'.repeat(50_000)}.b.c`, 'Jwt header is an invalid JSON'],
      [await token(provider, { iss: 'x' }), 'Jwt issuer is not configured'],
    ] as const) {
      peer.send(get('/', bearer(text)))
      const answer = await peer.response()
      assert.deepEqual([answer.status, answer.body], [401, body], text.slice(0, 60))
      assert.equal(answer.headers['www-authenticate'], 'Bearer realm="http://web/", error="invalid_token"')
    }
    peer.send(get('/', bearer(good)))
    assert.equal((await peer.response()).status, 200)
    assert.equal(application.requests.length, 1)
    peer.stream.destroy()
    await harness.quiet()
    await harness.stop()
  },
)
