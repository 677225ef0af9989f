import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { keyServerRoots } from '../../src/cli/key-server-roots.ts'
import { createTestCa } from '../support/test-ca.ts'

test('roots for key servers are read whole or refused with the file and what is wrong with it', async (t) => {
  const dir = await mkdtemp(`${tmpdir()}/sallyport-roots-`)
  t.after(() => rm(dir, { recursive: true }))
  const file = `${dir}/roots.pem`
  const [one, two] = [await createTestCa({ trustDomain: 'a' }), await createTestCa({ trustDomain: 'b' })]
  await writeFile(file, `# two\n${one.rootPem}\n${two.rootPem}\n`)
  const roots = await keyServerRoots(file)
  assert.equal(roots?.match(/BEGIN CERTIFICATE/g)?.length, 2)
  assert.equal(await keyServerRoots(null), null)
  for (const [text, reason] of [
    ['', /--jwks-ca .*roots\.pem holds no PEM certificate/],
    [
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      /holds a certificate that cannot be read/,
    ],
  ] as const) {
    await writeFile(file, text)
    await assert.rejects(keyServerRoots(file), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'ERR_BOOTSTRAP_FILE')
      assert.match(error.message, reason)
      return true
    })
  }
  await assert.rejects(keyServerRoots(`${dir}/none.pem`), /cannot be read \(ENOENT\)/)
})
