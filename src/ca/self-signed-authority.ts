/**
 * The authority of a small mesh: a self-signed root kept in a state directory, made at the first start and read again at
 * each later one. It does not rotate its root: ten years, then a new mesh.
 */
import { X509Certificate, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import type { Clock } from '../lifecycle/clock.ts'
import { readCertificate as readCertificateFields } from '../wire/certificate.ts'
import { createFile, makePrivateDirectory, readPrivateFile, readPublicFile } from '../jwt/private-file.ts'
import { importSigningKey, randomSerial, signTemplate, signatureOf } from './authority.ts'
import type { Authority } from './authority.ts'
import { CaError } from './ca-error.ts'
import { pemOf, x509 } from './x509.ts'

const keyName = 'ca-key.pem'
const certificateName = 'root-cert.pem'
const backdate = 2 * 60_000

export interface SelfSignedOptions {
  readonly directory: string
  readonly trustDomain: string
  readonly clock: Clock
}

/**
 * The key decides: whoever links `ca-key.pem` first has made the authority, and a key without certificate (a crash, or a
 * winner still writing) gets one made with that key. So any number of starters end with the same pair.
 */
export async function openSelfSignedAuthority(options: SelfSignedOptions): Promise<Authority> {
  const { directory, trustDomain, clock } = options
  const keyPath = join(directory, keyName)
  const certificatePath = join(directory, certificateName)
  await makePrivateDirectory(directory)
  let keyPem = await readPrivateFile(keyPath)
  if (keyPem === null) {
    // A concurrent creator links its key before its certificate: ask again before calling a certificate orphaned.
    const orphan = (await readPublicFile(certificatePath)) !== null
    keyPem = await readPrivateFile(keyPath)
    if (keyPem === null && orphan) {
      throw new CaError(
        'ERR_CA_INCOMPLETE',
        `${certificatePath} is there but ${keyPath} is not`,
        'restore the key, or remove the certificate so that a new authority is made',
      )
    }
    if (keyPem === null) {
      await createFile(keyPath, newKeyPem())
      keyPem = (await readPrivateFile(keyPath)) ?? ''
    }
  }
  const key = readKey(keyPem, keyPath)
  if ((await readPublicFile(certificatePath)) === null) {
    await createFile(certificatePath, await selfSign(key, trustDomain, clock.now()), 0o644)
  }
  const certificatePem = (await readPublicFile(certificatePath)) ?? ''
  return assemble(key, certificatePem, certificatePath, keyPath, options)
}

function assemble(
  key: KeyObject,
  pem: string,
  certificatePath: string,
  keyPath: string,
  options: SelfSignedOptions,
): Authority {
  const certificate = readCertificate(pem, certificatePath)
  if (!certificate.checkPrivateKey(key)) {
    throw new CaError(
      'ERR_CA_MISMATCH',
      `${keyPath} is not the key of ${certificatePath}`,
      'restore the pair that belongs together',
    )
  }
  const [name] = readCertificateFields(Buffer.from(certificate.raw))?.uriNames ?? []
  if (name !== undefined && name !== `spiffe://${options.trustDomain}`) {
    throw new CaError(
      'ERR_CA_MISMATCH',
      `${certificatePath} is the root of ${name}, not of trust domain ${options.trustDomain}`,
      'set the trust domain it was made for, or use another state directory',
    )
  }
  const notAfter = Date.parse(certificate.validTo)
  if (notAfter <= options.clock.now()) {
    throw new CaError(
      'ERR_CA_EXPIRED',
      `${certificatePath} ended at ${new Date(notAfter).toISOString()}`,
      'move the state directory away so that a new authority is made, and restart the workloads',
    )
  }
  const issuer = new x509.X509Certificate(certificate.raw)
  const signingKey = importSigningKey(key)
  return {
    trustDomain: options.trustDomain,
    rootPem: pemOf('CERTIFICATE', certificate.raw),
    chainPem: '',
    notAfter,
    sign: (template) => signTemplate(template, issuer, signingKey),
  }
}

function newKeyPem(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}

async function selfSign(key: KeyObject, trustDomain: string, now: number): Promise<string> {
  const signingKey = importSigningKey(key)
  const publicKey = new x509.PublicKey(
    new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' })),
  )
  const name = new x509.Name([{ O: [trustDomain] }])
  const notAfter = new Date(now)
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + 10)
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: name,
    issuer: name,
    notBefore: new Date(now - backdate),
    notAfter,
    publicKey,
    signingKey,
    signingAlgorithm: signatureOf(signingKey),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://${trustDomain}` }]),
    ],
  })
  return pemOf('CERTIFICATE', new Uint8Array(certificate.rawData))
}

function readKey(pem: string, path: string): KeyObject {
  try {
    const key = createPrivateKey(pem)
    const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {}
    if (namedCurve === 'prime256v1' || namedCurve === 'secp384r1') return key
    if (key.asymmetricKeyType === 'rsa' && (modulusLength ?? 0) >= 2048) return key
  } catch {
    // Reported below, without what OpenSSL says about the content.
  }
  throw new CaError(
    'ERR_CA_MISMATCH',
    `${path} holds no P-256, P-384 or RSA (2048 bits or more) private key`,
    'restore the key from its backup',
  )
}

function readCertificate(pem: string, path: string): X509Certificate {
  let certificate: X509Certificate | null = null
  try {
    certificate = new X509Certificate(pem)
  } catch {
    // Reported below.
  }
  if (certificate?.ca === true) return certificate
  throw new CaError(
    'ERR_CA_CERTIFICATE',
    `${path} holds no CA certificate`,
    'restore the certificate of the key',
  )
}
