/** The authority's state directory: made once, read again, refused when it cannot be right. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { X509Certificate, generateKeyPairSync } from 'node:crypto'
import { chmod, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openSelfSignedAuthority } from '../../src/ca/self-signed-authority.ts'
import { readCertificate } from '../../src/wire/certificate.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { temporaryDirectory } from '../support/mesh-control.ts'

const inDirectory = async (
  body: (
    directory: string,
    open: () => ReturnType<typeof openSelfSignedAuthority>,
    clock: ManualClock,
  ) => Promise<void>,
) => {
  const parent = await temporaryDirectory()
  const directory = join(parent, 'ca')
  const clock = new ManualClock()
  try {
    await body(
      directory,
      () => openSelfSignedAuthority({ directory, trustDomain: 'mesh.test', clock }),
      clock,
    )
  } finally {
    await rm(parent, { recursive: true, force: true })
  }
}

test('the first start makes a root for ten years, named for the trust domain', () =>
  inDirectory(async (directory, open, clock) => {
    const authority = await open()
    const root = new X509Certificate(authority.rootPem)
    assert.equal(root.subject, 'O=mesh.test')
    assert.ok(root.ca && root.verify(root.publicKey))
    const fields = readCertificate(Buffer.from(root.raw))
    assert.equal(fields?.keyUsage, 0b1100000)
    assert.equal(fields?.keyUsageCritical, true)
    assert.deepEqual(fields?.uriNames, ['spiffe://mesh.test'])
    assert.equal(new Date(authority.notAfter).getUTCFullYear(), new Date(clock.now()).getUTCFullYear() + 10)
    assert.equal((await stat(directory)).mode & 0o777, 0o700)
    assert.equal((await stat(join(directory, 'ca-key.pem'))).mode & 0o777, 0o600)
    assert.deepEqual((await readdir(directory)).toSorted(), ['ca-key.pem', 'root-cert.pem'])
  }))

test('a restart has the same root', () =>
  inDirectory(async (_directory, open) => {
    assert.equal((await open()).rootPem, (await open()).rootPem)
  }))

test('many starters at once end with one authority', () =>
  inDirectory(async (directory, open) => {
    const roots = await Promise.all(Array.from({ length: 12 }, () => open()))
    assert.equal(new Set(roots.map(({ rootPem }) => rootPem)).size, 1)
    assert.deepEqual((await readdir(directory)).toSorted(), ['ca-key.pem', 'root-cert.pem'])
  }))

test('a key whose certificate was never written gets one', () =>
  inDirectory(async (directory, open) => {
    const first = await open()
    await rm(join(directory, 'root-cert.pem'))
    const second = await open()
    const key = (pem: string) => new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' })
    assert.deepEqual(key(first.rootPem), key(second.rootPem))
  }))

test('a key that others can read is refused', () =>
  inDirectory(async (directory, open) => {
    await open()
    for (const mode of [0o640, 0o604, 0o620]) {
      await chmod(join(directory, 'ca-key.pem'), mode)
      await assert.rejects(open(), { code: 'ERR_JWT_FILE_EXPOSED' })
    }
  }))

test('a pair that does not match, a lost key, a broken file are refused', () =>
  inDirectory(async (directory, open) => {
    await open()
    const keyPath = join(directory, 'ca-key.pem')
    const certificatePath = join(directory, 'root-cert.pem')
    const [key, certificate] = [await readFile(keyPath, 'utf8'), await readFile(certificatePath, 'utf8')]
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    await writeFile(keyPath, other.export({ type: 'pkcs8', format: 'pem' }))
    await assert.rejects(open(), { code: 'ERR_CA_MISMATCH' })
    await writeFile(keyPath, 'hello')
    await assert.rejects(open(), { code: 'ERR_CA_MISMATCH' })
    await rm(keyPath)
    await assert.rejects(open(), { code: 'ERR_CA_INCOMPLETE' })
    await writeFile(keyPath, key, { mode: 0o600 })
    await writeFile(certificatePath, 'hello')
    await assert.rejects(open(), { code: 'ERR_CA_CERTIFICATE' })
    await writeFile(certificatePath, certificate)
    await open()
  }))

test('an authority that has ended is refused', () =>
  inDirectory(async (_directory, open, clock) => {
    await open()
    clock.advance(11 * 365 * 24 * 3600_000)
    await assert.rejects(open(), { code: 'ERR_CA_EXPIRED' })
  }))

test('the root of one trust domain does not serve another', () =>
  inDirectory(async (directory, open, clock) => {
    await open()
    await assert.rejects(openSelfSignedAuthority({ directory, trustDomain: 'other.test', clock }), {
      code: 'ERR_CA_MISMATCH',
    })
  }))
