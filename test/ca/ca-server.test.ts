/** The CA over real TLS and gRPC: who gets a certificate, what is in it, and what the others are told. */
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { X509Certificate, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import * as grpc from '@grpc/grpc-js'
import { SignJWT, UnsecuredJWT } from 'jose'
import { newKeyAndRequest } from '../../src/agent/csr.ts'
import { startMeshGrpcServer } from '../../src/ca/mesh-server.ts'
import { readCertificate } from '../../src/wire/certificate.ts'
import { askForCertificate, quiet, startMeshControl } from '../support/mesh-control.ts'
import type { MeshControl } from '../support/mesh-control.ts'
import { createTestCa } from '../support/test-ca.ts'

const uri = 'spiffe://cluster.local/ns/shop/sa/cart'
const account = { namespace: 'shop', serviceAccount: 'cart' }
const day = 24 * 3600

let mesh: MeshControl
let token: string
before(async () => {
  mesh = await startMeshControl()
  token = await mesh.tokens.issue({ ...account, ttlSeconds: 3600 })
})
after(() => mesh.close())

const issue = async (ttl = 0) => {
  const { csr, privateKey } = newKeyAndRequest(uri)
  const answer = await askForCertificate(mesh, { csr, token, ttl })
  return { ...answer, privateKey }
}

const refused = { code: grpc.status.UNAUTHENTICATED, details: 'request authenticate failure', chain: [] }

test('a signed token gets a certificate whose chain is leaf and root', async () => {
  const before = mesh.counters.issued
  const { code, chain, privateKey } = await issue()
  assert.equal(code, 0)
  assert.equal(chain.length, 2)
  assert.equal(chain[1], mesh.authority.rootPem)
  assert.ok(chain[0]?.endsWith('-----END CERTIFICATE-----\n'))
  const leaf = new X509Certificate(chain[0] ?? '')
  const root = new X509Certificate(mesh.authority.rootPem)
  assert.ok(leaf.checkPrivateKey(createPrivateKey(privateKey)))
  assert.ok(leaf.checkIssued(root) && leaf.verify(root.publicKey))
  assert.equal(mesh.counters.issued, before + 1)
})

test('the leaf is the template of Istio: names, usages, constraints, serial and validity', async () => {
  const { chain } = await issue()
  const leaf = new X509Certificate(chain[0] ?? '')
  const fields = readCertificate(Buffer.from(leaf.raw))
  assert.ok(fields)
  assert.deepEqual(fields.uriNames, [uri])
  assert.deepEqual(fields.dnsNames, [])
  assert.equal(fields.hasOtherSan, false)
  assert.equal(fields.subject, '')
  assert.equal(fields.isCa, false)
  assert.equal(fields.keyUsage, 0b101)
  assert.equal(fields.keyUsageCritical, true)
  assert.deepEqual(fields.extKeyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
  assert.deepEqual(fields.unknownCritical, [])
  assert.equal(fields.serial.length, 32)
  const now = Math.floor(mesh.clock.now() / 1000)
  assert.ok(Math.abs(fields.notBefore / 1000 - (now - 120)) <= 1)
  assert.ok(Math.abs(fields.notAfter / 1000 - (now + day)) <= 1)
  // subjectAltName and basicConstraints, each with its critical TRUE.
  const hex = Buffer.from(leaf.raw).toString('hex')
  assert.ok(hex.includes('0603551d110101ff'))
  assert.ok(hex.includes('0603551d130101ff'))
})

test('two issuances differ in serial', async () => {
  const serials = await Promise.all([issue(), issue()])
  const [one, two] = serials.map(({ chain }) => new X509Certificate(chain[0] ?? '').serialNumber)
  assert.notEqual(one, two)
})

const ttls: readonly [asked: number, seconds: number | 'refused'][] = [
  [0, day],
  [-5, day],
  [60, 60],
  [90 * day, 90 * day],
  [90 * day + 1, 'refused'],
]
for (const [asked, seconds] of ttls) {
  test(`a TTL of ${asked} s gives ${seconds}${seconds === 'refused' ? '' : ' s'}`, async () => {
    const { code, details, chain } = await issue(asked)
    if (seconds === 'refused') {
      assert.equal(code, grpc.status.INVALID_ARGUMENT)
      assert.match(details, /^TTL_ERROR/)
      return
    }
    const end = Date.parse(new X509Certificate(chain[0] ?? '').validTo)
    assert.ok(Math.abs((end - mesh.clock.now()) / 1000 - seconds) <= 1)
  })
}

test('a certificate never outlives its signer', async () => {
  const late = await startMeshControl({ rules: { defaultTtl: day, maxTtl: 20 * 365 * day } })
  try {
    const fresh = await late.tokens.issue({ ...account, ttlSeconds: 60 })
    const { csr } = newKeyAndRequest(uri)
    const { chain } = await askForCertificate(late, { csr, token: fresh, ttl: 15 * 365 * day })
    const end = Date.parse(new X509Certificate(chain[0] ?? '').validTo)
    assert.equal(end, late.authority.notAfter)
  } finally {
    await late.close()
  }
})

test('names in the request are ignored: the caller is certified, not what it asks for', async () => {
  const { csr } = newKeyAndRequest('spiffe://cluster.local/ns/bank/sa/vault')
  const { chain } = await askForCertificate(mesh, { csr, token })
  const leaf = new X509Certificate(chain[0] ?? '')
  assert.deepEqual(readCertificate(Buffer.from(leaf.raw))?.uriNames, [uri])
})

test('impersonation is refused', async () => {
  const { csr } = newKeyAndRequest(uri)
  const requestMetadata = { ImpersonatedIdentity: 'spiffe://cluster.local/ns/bank/sa/vault' }
  const { code, details } = await askForCertificate(mesh, { csr, token, requestMetadata })
  assert.equal(code, grpc.status.UNAUTHENTICATED)
  assert.equal(details, 'request impersonation authentication failure')
})

const forge = (csr: string): string => {
  const der = Buffer.from(csr.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  // One bit of the name inside the signed part.
  const at = der.indexOf('spiffe') + 20
  der[at] = (der[at] ?? 0) ^ 1
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
}

test('a request with a forged signature, or that is none, is a CSR_ERROR', async () => {
  const before = mesh.counters.csrErrors
  const { csr } = newKeyAndRequest(uri)
  for (const bad of [
    forge(csr),
    '',
    'hello',
    csr + csr,
    csr.replace('REQUEST', 'REQUES'),
    csr.slice(0, 200),
  ]) {
    const { code, details } = await askForCertificate(mesh, { csr: bad, token })
    assert.equal(code, grpc.status.INVALID_ARGUMENT, bad)
    assert.match(details, /^CSR_ERROR/)
  }
  assert.equal(mesh.counters.csrErrors, before + 6)
})

test('nobody gets a certificate without a good credential, and nobody is told why', async () => {
  const { csr } = newKeyAndRequest(uri)
  const claims = <T extends SignJWT | UnsecuredJWT>(jwt: T) =>
    jwt
      .setIssuer('sallyport-mesh')
      .setSubject('system:serviceaccount:shop:cart')
      .setAudience('istio-ca')
      .setExpirationTime(Math.floor(mesh.clock.now() / 1000) + 600) as T
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const publicPem = createPublicKey(stranger).export({ type: 'spki', format: 'pem' }) as string
  const tokens: Record<string, string> = {
    'of another key': await claims(new SignJWT()).setProtectedHeader({ alg: 'ES256' }).sign(stranger),
    'alg none': claims(new UnsecuredJWT()).encode(),
    'alg HS256 with a public key': await claims(new SignJWT())
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.from(publicPem)),
    'for another audience': await mesh.tokens.issue({ ...account, ttlSeconds: 60, audience: 'elsewhere' }),
    'no token at all': 'nonsense',
  }
  for (const [what, bad] of Object.entries(tokens)) {
    assert.deepEqual(await askForCertificate(mesh, { csr, token: bad }), refused, what)
  }
  assert.deepEqual(await askForCertificate(mesh, { csr }), refused)
  const metadata = { authorization: `Basic ${token}` }
  assert.deepEqual(await askForCertificate(mesh, { csr, metadata }), refused)
})

test('an expired token is refused', async () => {
  const short = await mesh.tokens.issue({ ...account, ttlSeconds: 1 })
  const { csr } = newKeyAndRequest(uri)
  assert.equal((await askForCertificate(mesh, { csr, token: short })).code, 0)
  mesh.clock.advance(10_000)
  assert.deepEqual(await askForCertificate(mesh, { csr, token: short }), refused)
})

test('a certificate of the mesh renews itself without a token', async () => {
  const { chain, privateKey } = await issue()
  const { csr } = newKeyAndRequest(uri)
  const pair = { certificateChain: chain[0] ?? '', privateKey }
  const again = await askForCertificate(mesh, { csr, pair })
  assert.equal(again.code, 0)
  const leaf = new X509Certificate(again.chain[0] ?? '')
  assert.deepEqual(readCertificate(Buffer.from(leaf.raw))?.uriNames, [uri])
})

test('a certificate that expired since its connection opened is no credential', async () => {
  const apart = await startMeshControl()
  try {
    const fresh = await apart.tokens.issue({ ...account, ttlSeconds: 60 })
    const { csr, privateKey } = newKeyAndRequest(uri)
    const { chain } = await askForCertificate(apart, { csr, token: fresh, ttl: 600 })
    apart.clock.advance(601_000)
    const pair = { certificateChain: chain[0] ?? '', privateKey }
    assert.deepEqual(await askForCertificate(apart, { csr, pair }), refused)
  } finally {
    await apart.close()
  }
})

test('a certificate of a strange authority is no credential, even with the right name', async () => {
  const strange = await createTestCa({ trustDomain: 'cluster.local' })
  const pair = await strange.svid('shop', 'cart')
  const { csr } = newKeyAndRequest(uri)
  assert.deepEqual(await askForCertificate(mesh, { csr, pair }), refused)
  assert.equal((await askForCertificate(mesh, { csr, pair, token })).code, 0, 'but the token beside it is')
})

test('a certificate of ours that is no SVID is no credential', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const names = [
    [],
    [uri, 'spiffe://cluster.local/ns/a/sa/b'],
    ['spiffe://other.test/ns/a/sa/b'],
    ['https://shop'],
  ]
  for (const uris of names) {
    const certificateChain = await mesh.authority.sign({
      publicKey: publicKey.export({ type: 'spki', format: 'der' }),
      uris,
      dnsNames: ['cart.shop'],
      ips: [],
      notBefore: mesh.clock.now() - 60_000,
      notAfter: mesh.clock.now() + 600_000,
    })
    const pair = {
      certificateChain,
      privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    }
    const { csr } = newKeyAndRequest(uri)
    assert.deepEqual(await askForCertificate(mesh, { csr, pair }), refused, uris.join())
  }
})

test('plaintext never authenticates, whatever is shown on it', async () => {
  const port = await new Promise<number>((resolve, reject) => {
    mesh.server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  const { csr } = newKeyAndRequest(uri)
  assert.deepEqual(await askForCertificate(mesh, { csr, token, plaintextPort: port }), refused)
})

test('the server renews its own certificate at half life, for new connections', async () => {
  const { authority, clock } = mesh
  let signed = 0
  const counting = {
    ...authority,
    sign: (template: Parameters<typeof authority.sign>[0]) => (signed++, authority.sign(template)),
  }
  const server = await startMeshGrpcServer({
    authority: counting,
    address: '127.0.0.1',
    port: 0,
    clock,
    log: quiet,
    certificateTtl: 100,
  })
  try {
    assert.equal(signed, 1)
    clock.advance(49_000)
    assert.equal(signed, 1)
    clock.advance(2000)
    assert.equal(signed, 2)
  } finally {
    await server.close()
  }
})

test('a port in use is an error that says so', async () => {
  const { authority, clock, port } = mesh
  await assert.rejects(startMeshGrpcServer({ authority, address: '127.0.0.1', port, clock, log: quiet }), {
    code: 'ERR_CA_BIND',
  })
})
