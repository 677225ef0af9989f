import { test } from 'node:test'
import assert from 'node:assert/strict'
import { authentication, issuer, jwtRule, keySet, signer, token } from '../jwt/issuer.ts'
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
