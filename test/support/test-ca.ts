/**
 * A real small certificate authority for tests: a root, intermediates below it, and leaves with every flaw on demand.
 * It refuses nothing: what it signs is wrong whenever the test asks for wrong.
 */
import './reflect-metadata.ts'
import * as x509 from '@peculiar/x509'
import { webcrypto } from 'node:crypto'

x509.cryptoProvider.set(webcrypto as unknown as Crypto)

interface Pair {
  readonly publicKey: CryptoKey
  readonly privateKey: CryptoKey
}

export type KeyAlgorithm = 'ec-p256' | 'ec-p384' | 'rsa-2048' | 'rsa-1024'
export type KeyUsageName =
  | 'digitalSignature'
  | 'nonRepudiation'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'

export interface IssueOptions {
  /** URI names, in order; `uri` is short for one. Neither = no URI name. */
  readonly uri?: string
  readonly uris?: readonly string[]
  readonly dns?: readonly string[]
  /** Addresses as raw bytes (4 or 16). */
  readonly ips?: readonly Uint8Array[]
  /** RFC 2253 text, '' by default as SVIDs have it. */
  readonly subject?: string
  /** Milliseconds or Date; by default 2025-01-01 to 2049-01-01. */
  readonly notBefore?: number | Date
  readonly notAfter?: number | Date
  /** basicConstraints; undefined = the extension is absent. */
  readonly ca?: boolean
  readonly pathLength?: number
  /** null = the extension is absent. */
  readonly keyUsage?: readonly KeyUsageName[] | null
  readonly keyUsageCritical?: boolean
  /** Dotted OIDs; null = the extension is absent. */
  readonly extKeyUsage?: readonly string[] | null
  /** Further extensions: dotted OID, criticality, DER of the value. */
  readonly extensions?: readonly { oid: string; critical: boolean; der: Uint8Array }[]
  readonly algorithm?: KeyAlgorithm
  /** Certify this key (PKCS#8 PEM) instead of a new one. */
  readonly privateKey?: string
}

export interface Issued {
  /** PEM: leaf, then the intermediates up to but without the root. */
  readonly certificateChain: string
  /** PKCS#8 PEM. */
  readonly privateKey: string
  /** The leaf alone. */
  readonly der: Buffer
  /** The leaf, then the intermediates. */
  readonly chainDer: readonly Buffer[]
}

export interface TestCa {
  readonly trustDomain: string
  readonly rootPem: string
  readonly rootDer: Buffer
  /** This authority's own certificate (the root's, or the intermediate's). */
  readonly pem: string
  readonly der: Buffer
  /** PKCS#8 PEM of this authority's key. */
  readonly privateKey: string
  issue(options?: IssueOptions): Promise<Issued>
  /** An Istio-shaped SVID: `spiffe://TD/ns/NAMESPACE/sa/ACCOUNT`. */
  svid(namespace: string, serviceAccount: string, options?: IssueOptions): Promise<Issued>
  /** An authority signed by this one; its leaves carry the intermediates in their chain. */
  intermediate(options?: IntermediateOptions): Promise<TestCa>
}

export type IntermediateOptions = Omit<IssueOptions, 'ca'> & { readonly ca?: boolean | null }

export interface TestCaOptions {
  readonly trustDomain: string
  readonly algorithm?: KeyAlgorithm
  readonly subject?: string
  readonly notBefore?: number | Date
  readonly notAfter?: number | Date
  readonly pathLength?: number
}

export const serverAuth = '1.3.6.1.5.5.7.3.1'
export const clientAuth = '1.3.6.1.5.5.7.3.2'

const from2025 = Date.parse('2025-01-01T00:00:00Z')
const to2049 = Date.parse('2049-01-01T00:00:00Z')

/** A self-signed root for `trustDomain`. */
export async function createTestCa(options: TestCaOptions): Promise<TestCa> {
  const algorithm = options.algorithm ?? 'ec-p256'
  const keys = await newKeys(algorithm)
  const subject = options.subject ?? `O=${options.trustDomain}`
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject,
    issuer: subject,
    notBefore: new Date(options.notBefore ?? from2025),
    notAfter: new Date(options.notAfter ?? to2049),
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
    signingAlgorithm: signing(algorithm),
    extensions: [
      new x509.BasicConstraintsExtension(true, options.pathLength, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return authority(options.trustDomain, certificate, certificate, keys, algorithm, [])
}

async function authority(
  trustDomain: string,
  root: x509.X509Certificate,
  own: x509.X509Certificate,
  keys: Pair,
  algorithm: KeyAlgorithm,
  above: readonly x509.X509Certificate[],
): Promise<TestCa> {
  const sign = async (options: IssueOptions) => {
    const kind = options.algorithm ?? algorithm
    const subjectKeys = options.privateKey ? await importKeys(options.privateKey, kind) : await newKeys(kind)
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: options.subject ?? '',
      issuer: own.subject,
      notBefore: new Date(options.notBefore ?? from2025),
      notAfter: new Date(options.notAfter ?? to2049),
      publicKey: subjectKeys.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: signing(algorithm),
      extensions: await extensionsOf(options, own, subjectKeys.publicKey),
    })
    return { certificate, keys: subjectKeys, kind }
  }

  const ca: TestCa = {
    trustDomain,
    rootPem: pemOf(root),
    rootDer: derOf(root),
    pem: pemOf(own),
    der: derOf(own),
    privateKey: await exportKey(keys.privateKey),
    async issue(options = {}) {
      const made = await sign(options)
      const chain = [made.certificate, ...above]
      return {
        certificateChain: chain.map(pemOf).join(''),
        privateKey: await exportKey(made.keys.privateKey),
        der: derOf(made.certificate),
        chainDer: chain.map(derOf),
      }
    },
    svid(namespace, serviceAccount, options = {}) {
      return ca.issue({ uri: `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`, ...options })
    },
    async intermediate(options = {}) {
      const { ca: isCa, ...rest } = options
      const made = await sign({
        subject: `CN=intermediate ${Math.floor(Math.random() * 1e9)},O=${trustDomain}`,
        keyUsage: ['keyCertSign', 'cRLSign'],
        extKeyUsage: null,
        ...rest,
        ...(isCa === null ? {} : { ca: isCa ?? true }),
      })
      return authority(trustDomain, root, made.certificate, made.keys, made.kind, [
        made.certificate,
        ...above,
      ])
    },
  }
  return ca
}

async function extensionsOf(
  options: IssueOptions,
  issuer: x509.X509Certificate,
  publicKey: CryptoKey,
): Promise<x509.Extension[]> {
  const list: x509.Extension[] = []
  if (options.ca !== undefined) {
    list.push(new x509.BasicConstraintsExtension(options.ca, options.pathLength, true))
  }
  if (options.keyUsage !== null) {
    let flags = 0
    for (const name of options.keyUsage ?? (['digitalSignature', 'keyEncipherment'] as const)) {
      flags |= x509.KeyUsageFlags[name]
    }
    list.push(new x509.KeyUsagesExtension(flags, options.keyUsageCritical ?? true))
  }
  if (options.extKeyUsage !== null) {
    list.push(
      new x509.ExtendedKeyUsageExtension([...(options.extKeyUsage ?? [serverAuth, clientAuth])], false),
    )
  }
  const names = [...(options.uri === undefined ? [] : [options.uri]), ...(options.uris ?? [])].map((uri) =>
    tlv(0x86, Buffer.from(uri, 'latin1')),
  )
  for (const dns of options.dns ?? []) names.push(tlv(0x82, Buffer.from(dns, 'latin1')))
  for (const ip of options.ips ?? []) names.push(tlv(0x87, ip))
  if (names.length > 0) {
    // By hand: a library would refuse the names that the tests are about.
    list.push(
      new x509.Extension('2.5.29.17', (options.subject ?? '') === '', exact(tlv(0x30, Buffer.concat(names)))),
    )
  }
  const keyId = issuer.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId
  if (keyId !== undefined) list.push(new x509.AuthorityKeyIdentifierExtension(keyId))
  if (options.ca === true) list.push(await x509.SubjectKeyIdentifierExtension.create(publicKey))
  for (const { oid, critical, der } of options.extensions ?? []) {
    list.push(new x509.Extension(oid, critical, exact(der)))
  }
  return list
}

/** One DER element: definite length, as short as can be. */
export function tlv(tag: number, value: Uint8Array): Buffer {
  const { length } = value
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : length < 0x10000
          ? [tag, 0x82, length >> 8, length & 0xff]
          : [tag, 0x83, length >> 16, (length >> 8) & 0xff, length & 0xff]
  return Buffer.concat([Buffer.from(head), value])
}

const exact = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer

const serial = (): string => `01${Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString('hex')}`

const pemOf = (certificate: x509.X509Certificate): string => `${certificate.toString('pem').trim()}\n`
const derOf = (certificate: x509.X509Certificate): Buffer => Buffer.from(certificate.rawData)

function parameters(algorithm: KeyAlgorithm): webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams {
  if (algorithm === 'ec-p256') return { name: 'ECDSA', namedCurve: 'P-256' }
  if (algorithm === 'ec-p384') return { name: 'ECDSA', namedCurve: 'P-384' }
  return {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    publicExponent: new Uint8Array([1, 0, 1]),
    modulusLength: algorithm === 'rsa-2048' ? 2048 : 1024,
  }
}

function signing(algorithm: KeyAlgorithm): webcrypto.EcdsaParams | { name: string; hash: string } {
  const hash = algorithm === 'ec-p384' ? 'SHA-384' : 'SHA-256'
  return { name: algorithm.startsWith('ec') ? 'ECDSA' : 'RSASSA-PKCS1-v1_5', hash }
}

async function newKeys(algorithm: KeyAlgorithm): Promise<Pair> {
  return (await webcrypto.subtle.generateKey(parameters(algorithm) as webcrypto.EcKeyGenParams, true, [
    'sign',
    'verify',
  ])) as Pair
}

async function importKeys(pem: string, algorithm: KeyAlgorithm): Promise<Pair> {
  const { createPublicKey } = await import('node:crypto')
  const use = parameters(algorithm) as webcrypto.EcKeyGenParams
  const pkcs8 = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  const spki = createPublicKey(pem).export({ type: 'spki', format: 'der' })
  return {
    privateKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, use, true, ['sign']),
    publicKey: await webcrypto.subtle.importKey('spki', spki, use, true, ['verify']),
  }
}

async function exportKey(key: CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key as never))
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`
}
