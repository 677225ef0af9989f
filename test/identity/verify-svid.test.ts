import { test } from 'node:test'
import assert from 'node:assert/strict'
import { checkSecrets } from '../../src/identity/own-svid.ts'
import { parseTrustBundles } from '../../src/identity/trust-bundle.ts'
import type { TrustBundles } from '../../src/identity/trust-bundle.ts'
import { verifySvid } from '../../src/identity/verify-svid.ts'
import { clientAuth, createTestCa, serverAuth, tlv } from '../support/test-ca.ts'
import type { IssueOptions, TestCa } from '../support/test-ca.ts'

const now = Date.parse('2026-01-02T03:04:05Z')
const day = 86_400_000
const ca = await createTestCa({ trustDomain: 'td.test' })
const other = await createTestCa({ trustDomain: 'other.test' })

function bundlesOf(pems: Record<string, string>): TrustBundles {
  const parsed = parseTrustBundles(pems)
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.reason)
  return parsed.bundles
}
const trust = () => bundlesOf({ 'td.test': ca.rootPem, 'other.test': other.rootPem })

async function verdict(issuer: TestCa, options: IssueOptions, use: 'client' | 'server' = 'client', at = now) {
  const { chainDer } = await issuer.svid('ns', 'sa', options)
  const result = verifySvid(chainDer, trust(), at, use)
  return result.ok ? 'ok' : `${result.code}: ${result.reason}`
}

const unknown = { oid: '1.2.3.4', critical: true, der: tlv(0x04, Buffer.of(1)) }

test('what a leaf may and may not be', async () => {
  const cases: [IssueOptions, RegExp][] = [
    [{}, /^ok$/],
    [{ dns: ['a.test'], subject: 'CN=a' }, /^ok$/],
    [{ keyUsage: null, extKeyUsage: null }, /^ok$/],
    [{ keyUsageCritical: false }, /^ok$/],
    [{ ca: false }, /^ok$/],
    [{ algorithm: 'rsa-2048' }, /^ok$/],
    [{ algorithm: 'ec-p384' }, /^ok$/],
    [{ extensions: [{ ...unknown, critical: false }] }, /^ok$/],
    [{ algorithm: 'rsa-1024' }, /too weak/],
    [{ uris: ['spiffe://td.test/b'] }, /2 URI names/],
    [{ uri: 'spiffe://td.test' }, /no path|not a SPIFFE ID/],
    [{ uri: 'spiffe://td.test/' }, /not a SPIFFE ID/],
    [{ uri: 'spiffe://TD.test/a' }, /not a SPIFFE ID/],
    [{ uri: 'spiffe://td.test/a%2fb' }, /not a SPIFFE ID/],
    [{ uri: 'spiffe://td.test/a\0' }, /cannot be read/],
    [{ dns: ['a.test\0.evil'] }, /cannot be read/],
    [{ ca: true }, /authority/],
    [{ keyUsage: ['digitalSignature', 'keyCertSign'] }, /may sign certificates/],
    [{ keyUsage: ['digitalSignature', 'cRLSign'] }, /revocation/],
    [{ keyUsage: ['keyEncipherment'] }, /lacks digitalSignature/],
    [{ extensions: [unknown] }, /unknown critical extension 1\.2\.3\.4/],
    [{ extKeyUsage: [serverAuth] }, /not for use as a client/],
    [{ extKeyUsage: ['2.5.29.37.0'] }, /^ok$/],
    [{ notBefore: now + 1000 }, /untrusted: .*not valid yet/],
    [{ notAfter: now - 1000 }, /untrusted: .*expired/],
    [{ uri: 'spiffe://nowhere.test/a' }, /no trust bundle/],
    [{ uri: 'spiffe://other.test/a' }, /own trust domain/],
  ]
  for (const [options, expected] of cases) {
    const text = await verdict(ca, options)
    assert.match(text, expected, JSON.stringify(options))
  }
  assert.match(await verdict(ca, { extKeyUsage: [clientAuth] }, 'server'), /not for use as a server/)
})

test('what an authority above a leaf may and may not be', async () => {
  const constraint = (tag: number, name: Buffer, side = 0xa0) => ({
    oid: '2.5.29.30',
    critical: true,
    der: tlv(0x30, tlv(side, tlv(0x30, tlv(tag, name)))),
  })
  const host = (name: string, side?: number) => constraint(0x86, Buffer.from(name), side)
  const cases: [Parameters<TestCa['intermediate']>[0], RegExp][] = [
    [{}, /^ok$/],
    [{ pathLength: 0 }, /^ok$/],
    [{ keyUsage: null }, /^ok$/],
    [{ ca: false }, /no authority/],
    [{ ca: null }, /no authority/],
    [{ keyUsage: ['digitalSignature'] }, /no authority/],
    [{ notAfter: now - 2000 }, /expired/],
    [{ notBefore: now + 2000 }, /not valid yet/],
    [{ extensions: [unknown] }, /unknown critical/],
    [{ extKeyUsage: [serverAuth] }, /not for this use/],
    [{ extensions: [host('td.test')] }, /^ok$/],
    [{ extensions: [host('.test')] }, /^ok$/],
    [{ extensions: [host('other.test')] }, /outside/],
    [{ extensions: [host('td.test', 0xa1)] }, /outside/],
    [{ extensions: [constraint(0x87, Buffer.from([10, 0, 0, 0, 255, 0, 0, 0]))] }, /not understood/],
  ]
  for (const [options, expected] of cases) {
    assert.match(await verdict(await ca.intermediate(options), {}), expected, JSON.stringify(options))
  }
  const short = await ca.intermediate({ pathLength: 0 })
  assert.match(await verdict(await short.intermediate(), {}), /longer than/)
  assert.match(await verdict(await (await ca.intermediate()).intermediate(), {}), /^ok$/)
})

test('chains in any order, with strangers and roots, or cut short', async () => {
  const middle = await ca.intermediate()
  const lower = await middle.intermediate()
  const { chainDer } = await lower.svid('ns', 'sa')
  const [leaf, ...above] = chainDer as Buffer[]
  const bundles = trust()
  const check = (chain: Buffer[], fresh = trust()) => verifySvid(chain, fresh, now).ok
  assert.equal(check([leaf as Buffer]), false)
  assert.equal(
    check([leaf as Buffer, other.rootDer, Buffer.from('rubbish'), ca.rootDer, ...above.toReversed()]),
    true,
  )
  assert.equal(check([leaf as Buffer], bundlesOf({ 'td.test': lower.pem })), true)
  assert.equal(check([]), false)
  assert.equal(check([leaf as Buffer, ...Array.from({ length: 20 }, () => middle.der)]), false)
  // A resumed session shows the leaf alone: known here, unknown to another generation.
  assert.equal(check(chainDer as Buffer[], bundles), true)
  assert.equal(check([leaf as Buffer], bundles), true)
  assert.equal(check([leaf as Buffer]), false)
})

test('a remembered peer still expires, and a client verdict is no server verdict', async () => {
  const bundles = trust()
  const { chainDer } = await ca.svid('ns', 'sa', { notAfter: now + day, extKeyUsage: [clientAuth] })
  assert.equal(verifySvid(chainDer, bundles, now).ok, true)
  assert.equal(verifySvid(chainDer, bundles, now + day + 1).ok, false)
  assert.equal(verifySvid(chainDer, bundles, now, 'server').ok, false)
})

test('two roots of one name are both tried', async () => {
  const twin = await createTestCa({ trustDomain: 'td.test' })
  const { chainDer } = await ca.svid('ns', 'sa')
  assert.equal(verifySvid(chainDer, bundlesOf({ 'td.test': twin.rootPem + ca.rootPem }), now).ok, true)
  assert.equal(verifySvid(chainDer, bundlesOf({ 'td.test': twin.rootPem }), now).ok, false)
})

test('bad blocks of a bundle are dropped, a bundle of nothing else is refused', async () => {
  const leaf = await ca.svid('ns', 'sa')
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  assert.equal(
    bundlesOf({ 'td.test': `text\n${broken}${ca.rootPem}${leaf.certificateChain}` }).anchors('td.test')
      .length,
    1,
  )
  for (const pem of ['', broken, leaf.certificateChain])
    assert.equal(parseTrustBundles({ 'td.test': pem }).ok, false)
  assert.equal(parseTrustBundles({}).ok, false)
  assert.equal(parseTrustBundles({ 'Not A Domain': ca.rootPem }).ok, false)
  assert.equal(
    bundlesOf({ 'td.test': ca.rootPem }).hash,
    bundlesOf({ 'td.test': `${ca.rootPem}\n${ca.rootPem}` }).hash,
  )
  assert.notEqual(bundlesOf({ 'td.test': ca.rootPem }).hash, trust().hash)
})

test('our own secrets must be whole, matching and in force', async () => {
  const trustBundles = { 'td.test': ca.rootPem }
  const good = await ca.svid('ns', 'sa')
  const check = (over: object) => checkSecrets({ ...good, trustBundles, ...over }, now)
  assert.equal(check({}).ok, true)
  assert.equal(check({ certificateChain: good.certificateChain + ca.rootPem }).ok, true)
  assert.equal(check({ certificateChain: good.certificateChain + good.certificateChain }).ok, false)
  assert.equal(check({ privateKey: (await ca.svid('ns', 'sa')).privateKey }).ok, false)
  for (const options of [
    { keyUsage: null },
    { keyUsage: ['keyEncipherment'] },
    { notAfter: now - 1 },
    { ca: true },
  ] as const) {
    assert.equal(check(await ca.svid('ns', 'sa', options as IssueOptions)).ok, false, JSON.stringify(options))
  }
})
