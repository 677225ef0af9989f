/** Key servers behind TLS, and whom a fetch believes. */
import { test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { DocumentFetcher } from '../../src/jwt/fetch-document.ts'
import { createTestCa, serverAuth } from '../support/test-ca.ts'
import type { Issued } from '../support/test-ca.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { nowMs } from './issuer.ts'

const own = await createTestCa({ trustDomain: 'own', subject: 'CN=own' })
const stranger = await createTestCa({ trustDomain: 'stranger', subject: 'CN=stranger' })

async function secured(t: TestContext, { certificateChain, privateKey }: Issued): Promise<string> {
  const server = createServer({ cert: certificateChain, key: privateKey }, (_, response) =>
    response.end('{}'),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `https://localhost:${(server.address() as AddressInfo).port}/keys`
}

test('a key server is verified by the roots that were given, by name, and by no others', async (t) => {
  const leaf = { dns: ['localhost'], extKeyUsage: [serverAuth] }
  const good = await secured(t, await own.issue(leaf))
  const misnamed = await secured(t, await own.issue({ ...leaf, dns: ['elsewhere.test'] }))
  const foreign = await secured(t, await stranger.issue(leaf))
  const get = async (ca: string | null, url: string): Promise<string> => {
    const fetcher = new DocumentFetcher(new ManualClock(nowMs), { ca })
    t.after(() => fetcher.close())
    const fetched = await fetcher.fetch(url, 5000)
    return fetched.ok ? fetched.text : fetched.reason
  }
  assert.equal(await get(own.rootPem, good), '{}')
  assert.equal(await get(`${stranger.rootPem}\n${own.rootPem}`, good), '{}')
  assert.match(await get(own.rootPem, misnamed), /ERR_TLS_CERT_ALTNAME_INVALID/)
  assert.match(await get(own.rootPem, foreign), /UNABLE_TO|SELF_SIGNED|unable to/)
  // The machine's own roots know nothing of a private one.
  assert.match(await get(null, good), /UNABLE_TO|SELF_SIGNED|unable to/)
})
