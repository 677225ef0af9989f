import { test } from 'node:test'
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readCertificate } from '../../src/wire/certificate.ts'
import { KeyUsage } from '../../src/wire/certificate-extensions.ts'
import { createTestCa, tlv } from '../support/test-ca.ts'

const ca = await createTestCa({ trustDomain: 'td.test', pathLength: 3 })
const leaf = await ca.svid('ns', 'sa', { dns: ['a.test'], subject: 'O=Ünï,CN="a, b"' })

test('a leaf is read as OpenSSL reads it', () => {
  const fields = readCertificate(leaf.der)
  const reference = new X509Certificate(leaf.der)
  assert.ok(fields)
  assert.deepEqual(fields.uriNames, ['spiffe://td.test/ns/ns/sa/sa'])
  assert.deepEqual(fields.dnsNames, ['a.test'])
  assert.equal(BigInt(`0x${fields.serial}`), BigInt(`0x${reference.serialNumber}`))
  assert.equal(fields.notBefore, reference.validFromDate.getTime())
  assert.equal(fields.notAfter, reference.validToDate.getTime())
  assert.equal(fields.isCa, null)
  assert.equal((fields.keyUsage ?? 0) & KeyUsage.DigitalSignature, KeyUsage.DigitalSignature)
  assert.equal(fields.keyUsageCritical, true)
  assert.deepEqual(fields.extKeyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
  assert.equal(fields.subject, 'CN=a\\, b,O=\\C3\\9Cn\\C3\\AF')
})

test('an authority is read with its flag and path length', () => {
  const fields = readCertificate(ca.der)
  assert.equal(fields?.isCa, true)
  assert.equal(fields?.pathLength, 3)
  assert.equal(fields?.keyUsage, KeyUsage.KeyCertSign | KeyUsage.CrlSign)
})

test('every cut and every changed byte reads as null or as fields, and nothing throws', () => {
  for (let i = 0; i < leaf.der.length; i += 1) {
    assert.equal(readCertificate(leaf.der.subarray(0, i)), null)
    for (const change of [0x01, 0x80, 0xff]) {
      const bytes = Buffer.from(leaf.der)
      bytes[i] = (bytes[i] as number) ^ change
      readCertificate(bytes)
    }
  }
  assert.equal(readCertificate(Buffer.concat([leaf.der, Buffer.of(0)])), null)
})

test('indefinite and overlong lengths are refused', () => {
  const { der } = leaf
  assert.equal(
    readCertificate(Buffer.concat([Buffer.from([0x30, 0x80]), der.subarray(4), Buffer.of(0, 0)])),
    null,
  )
  assert.equal(readCertificate(Buffer.concat([Buffer.from([0x30, 0x83, 0]), der.subarray(2)])), null)
})

test('names with control bytes and doubled extensions refuse the certificate', async () => {
  for (const options of [
    { uri: 'spiffe://td.test/a\0b' },
    { uri: 'spiffe://td.test/a\nb' },
    { uri: 'spiffe://td.test/é' },
    { dns: ['a\0.test'] },
    { dns: [''] },
    {
      uri: 'spiffe://td.test/a',
      extensions: [{ oid: '2.5.29.17', critical: false, der: tlv(0x30, tlv(0x82, Buffer.from('b'))) }],
    },
  ]) {
    const { der } = await ca.issue(options)
    assert.equal(readCertificate(der), null, JSON.stringify(options))
  }
})

test('a comma inside a name does not make two', async () => {
  const { der } = await ca.issue({ dns: ['a.test, URI:spiffe://td.test/admin'] })
  assert.deepEqual(readCertificate(der)?.uriNames, [])
})
