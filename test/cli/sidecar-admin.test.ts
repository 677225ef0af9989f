import { test } from 'node:test'
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { expiryOf } from '../../src/cli/sidecar-admin.ts'
import { createTestCa } from '../support/test-ca.ts'

test('a certificate past its end is not ready to serve, and says since when', async () => {
  const ca = await createTestCa({ trustDomain: 'cluster.local' })
  const { certificateChain, privateKey } = await ca.svid('shop', 'web')
  const secrets = { certificateChain, privateKey, trustBundles: { 'cluster.local': ca.rootPem } }
  const end = new X509Certificate(certificateChain).validToDate.getTime()
  assert.equal(expiryOf(undefined, end), null)
  assert.equal(expiryOf(secrets, end), null)
  assert.equal(expiryOf(secrets, end + 1), `expired at ${new Date(end).toISOString()}`)
})
