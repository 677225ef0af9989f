import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileCredentials } from '../../src/discovery/file-credentials.ts'

test('files are read anew each time; what is missing or empty is named, not replaced', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-credentials-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const [root, token] = [join(folder, 'root.pem'), join(folder, 'token')]
  const read = fileCredentials({ root, token, certificate: null })
  await assert.rejects(read(), { code: 'ERR_DISCOVERY_ROOT' })
  await writeFile(root, '')
  await assert.rejects(read(), { code: 'ERR_DISCOVERY_ROOT' })
  await writeFile(root, '-----BEGIN CERTIFICATE-----\n')
  await assert.rejects(read(), { code: 'ERR_DISCOVERY_TOKEN' })
  await writeFile(token, 'one\n')
  assert.equal((await read()).token, 'one')
  await writeFile(token, 'two\n')
  assert.equal((await read()).token, 'two')
  const certificate = { chain: join(folder, 'c'), key: join(folder, 'k') }
  await assert.rejects(fileCredentials({ root, token: null, certificate })(), {
    code: 'ERR_DISCOVERY_CERTIFICATE',
  })
})
