/** What may be signed: keys, digests, lifetimes, and a signer that is in force. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { newKeyAndRequest } from '../../src/agent/csr.ts'
import { signSvid, istioSigningRules } from '../../src/ca/sign-svid.ts'
import { openSelfSignedAuthority } from '../../src/ca/self-signed-authority.ts'
import { x509 } from '../../src/ca/x509.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { temporaryDirectory } from '../support/mesh-control.ts'
import { rm } from 'node:fs/promises'

const uri = 'spiffe://mesh.test/ns/shop/sa/cart'
const clock = new ManualClock()
const directory = await temporaryDirectory()
const authority = await openSelfSignedAuthority({ directory, trustDomain: 'mesh.test', clock })
await rm(directory, { recursive: true })

const sign = (csr: string, ttl = 0, now = clock.now()) =>
  signSvid(authority, { csr, ttl, uri }, istioSigningRules, now)

interface KeySpec {
  readonly name: string
  readonly hash?: string
  readonly namedCurve?: string
  readonly modulusLength?: number
  readonly publicExponent?: Uint8Array
}

async function requestWith(spec: KeySpec): Promise<string> {
  const keys = await crypto.subtle.generateKey(spec as never, true, ['sign', 'verify'])
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    keys: keys as never,
    signingAlgorithm: { name: spec.name, hash: spec.hash ?? 'SHA-256' } as never,
  })
  return request.toString('pem')
}

const rsa = (modulusLength: number, hash: string, name = 'RSASSA-PKCS1-v1_5') => ({
  name,
  modulusLength,
  hash,
  publicExponent: new Uint8Array([1, 0, 1]),
})

test('RSA from 2048 bits, P-256 and P-384 are signed', async () => {
  const requests = [
    await requestWith(rsa(2048, 'SHA-256')),
    await requestWith({ name: 'ECDSA', namedCurve: 'P-256' }),
    await requestWith({ name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }),
  ]
  for (const csr of requests) {
    const signed = await sign(csr)
    assert.ok(signed.ok)
    const leaf = new X509Certificate(signed.leaf)
    assert.ok(leaf.verify(new X509Certificate(authority.rootPem).publicKey))
  }
})

test('short keys, strange curves and weak digests are not', async () => {
  const requests = {
    'RSA 1024': await requestWith(rsa(1024, 'SHA-256')),
    'P-521': await requestWith({ name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' }),
    'SHA-1': await requestWith(rsa(2048, 'SHA-1')),
  }
  for (const [what, csr] of Object.entries(requests)) {
    const signed = await sign(csr)
    assert.ok(!signed.ok && signed.failure === 'csr', what)
  }
})

test('a signer that has ended signs nothing', async () => {
  const { csr } = newKeyAndRequest(uri)
  const signed = await sign(csr, 0, authority.notAfter)
  assert.ok(!signed.ok && signed.failure === 'not-ready')
})

test('a TTL that is no whole number is refused', async () => {
  const { csr } = newKeyAndRequest(uri)
  for (const ttl of [1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    const signed = await sign(csr, ttl)
    assert.ok(!signed.ok && signed.failure === 'ttl')
  }
})

test('a request of any length or byte is refused, never a crash', async () => {
  const { csr } = newKeyAndRequest(uri)
  const der = Buffer.from(csr.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  for (let at = 0; at < der.length; at += 3) {
    const broken = Buffer.from(der)
    broken[at] = (broken[at] ?? 0) ^ 0x41
    const body = broken.toString('base64')
    const signed = await sign(
      `-----BEGIN CERTIFICATE REQUEST-----\n${body}\n-----END CERTIFICATE REQUEST-----\n`,
    )
    assert.equal(signed.ok, false, `byte ${at}`)
  }
  const cut = der.subarray(0, 60).toString('base64')
  assert.equal(
    (await sign(`-----BEGIN CERTIFICATE REQUEST-----\n${cut}\n-----END CERTIFICATE REQUEST-----\n`)).ok,
    false,
  )
  assert.equal((await sign(csr + 'x'.repeat(70_000))).ok, false)
})
