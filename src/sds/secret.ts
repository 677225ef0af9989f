/**
 * One Secret message to values that were checked: a key with the chain it belongs to, or trust anchors (dataplane §7.2).
 * It speaks no protocol and keeps nothing.
 */
import { createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { parseCertificate } from '../identity/authority-certificate.ts'
import { certificatesIn, toPem } from '../identity/pem.ts'
import { parseTrustBundles } from '../identity/trust-bundle.ts'
import { svidIdOf } from '../identity/verify-svid.ts'
import type { AnyMessage } from '../proto/discovery-messages.ts'
import { loadProto } from '../proto/load-proto.ts'

export const secretTypeUrl = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret'
const messages = 'envoy.extensions.transport_sockets.tls.v3'
const spiffeValidator = 'envoy.tls.cert_validator.spiffe'

interface DataSource {
  readonly specifier?: 'filename' | 'inline_bytes' | 'inline_string' | 'environment_variable'
  readonly filename?: string
  readonly inline_bytes?: Buffer
  readonly inline_string?: string
}

interface ValidationContext {
  readonly trusted_ca: DataSource | null
  readonly crl: DataSource | null
  readonly custom_validator_config: { readonly name: string; readonly typed_config: AnyMessage | null } | null
}

interface SecretMessage {
  readonly name: string
  readonly tls_certificate?: {
    readonly certificate_chain: DataSource | null
    readonly private_key: DataSource | null
  } | null
  readonly validation_context?: ValidationContext | null
}

interface SpiffeConfig {
  readonly trust_domains: readonly { readonly name: string; readonly trust_bundle: DataSource | null }[]
}

export interface CertificateSecret {
  readonly kind: 'certificate'
  readonly name: string
  /** PEM, leaf first. */
  readonly certificateChain: string
  /** PKCS#8 PEM. */
  readonly privateKey: string
  readonly trustDomain: string
}

export interface BundleSecret {
  readonly kind: 'bundle'
  readonly name: string
  /** PEM anchors of our own trust domain, whatever it is; null when `byDomain` says it all. */
  readonly own: string | null
  /** PEM anchors by trust domain. */
  readonly byDomain: Readonly<Record<string, string>>
  /** A revocation list came along, which this program does not read yet. */
  readonly hasCrl: boolean
}

/** What is wrong, without a byte of the secret: it goes into a NACK and a log. */
export class BadSecret {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

/** The name inside the message, or null when the bytes are no Secret. */
export function secretName(resource: AnyMessage): string | null {
  return decode(resource)?.name ?? null
}

/** `now` in milliseconds. Never throws. */
export async function readSecret(
  resource: AnyMessage,
  now: number,
): Promise<CertificateSecret | BundleSecret | BadSecret> {
  const message = decode(resource)
  if (message === null) return new BadSecret('the resource is no Secret message')
  const { name, tls_certificate: certificate, validation_context: context } = message
  try {
    if (certificate) {
      const chain = await readSource(certificate.certificate_chain)
      return certificateSecret(name, chain, await readSource(certificate.private_key), now)
    }
    if (context) return await bundleSecret(name, context)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    return new BadSecret(`a data source cannot be read: ${code}`)
  }
  return new BadSecret('the secret is neither a certificate nor a validation context')
}

function certificateSecret(
  name: string,
  chain: string,
  keyPem: string,
  now: number,
): CertificateSecret | BadSecret {
  const certificates = certificatesIn(chain)
  const [leafDer] = certificates
  if (leafDer === undefined) return new BadSecret('the chain holds no certificate')
  const leaf = parseCertificate(leafDer)
  if (leaf === null) return new BadSecret('the leaf certificate cannot be read, or is too weak')
  const id = svidIdOf(leaf.fields)
  if (typeof id === 'string') return new BadSecret(id)
  if (leaf.fields.notAfter <= now) return new BadSecret('the certificate has expired')
  const key = readKey(keyPem)
  if (key === null) return new BadSecret('the private key cannot be read')
  if (!leaf.x509.checkPrivateKey(key))
    return new BadSecret('the private key does not belong to the certificate')
  return {
    kind: 'certificate',
    name,
    certificateChain: certificates.map(toPem).join(''),
    // PKCS#1 and SEC1 come out as PKCS#8.
    privateKey: key.export({ type: 'pkcs8', format: 'pem' }) as string,
    trustDomain: id.trustDomain,
  }
}

async function bundleSecret(name: string, context: ValidationContext): Promise<BundleSecret | BadSecret> {
  const hasCrl = context.crl !== null
  const custom = context.custom_validator_config
  if (custom !== null) {
    if (custom.name !== spiffeValidator)
      return new BadSecret(`the validator ${JSON.stringify(custom.name)} is not known`)
    const codec = loadProto('sds-secret.proto').message<SpiffeConfig>(`${messages}.SPIFFECertValidatorConfig`)
    const { trust_domains: domains } = codec.decode(custom.typed_config?.value ?? Buffer.alloc(0))
    const byDomain: Record<string, string> = Object.create(null) as Record<string, string>
    for (const domain of domains) byDomain[domain.name] = await readSource(domain.trust_bundle)
    const parsed = parseTrustBundles(byDomain)
    // A plain object again: it will cross threads.
    return parsed.ok
      ? { kind: 'bundle', name, own: null, byDomain: { ...byDomain }, hasCrl }
      : new BadSecret(parsed.reason)
  }
  const own = await readSource(context.trusted_ca)
  // The domain is not known here; any valid name serves to have the anchors judged.
  const parsed = parseTrustBundles({ own })
  if (!parsed.ok) return new BadSecret('the validation context holds no usable trust anchor')
  return { kind: 'bundle', name, own, byDomain: {}, hasCrl }
}

function decode(resource: AnyMessage): SecretMessage | null {
  if (resource.type_url !== secretTypeUrl) return null
  try {
    return loadProto('sds-secret.proto').message<SecretMessage>(`${messages}.Secret`).decode(resource.value)
  } catch {
    return null
  }
}

async function readSource(source: DataSource | null): Promise<string> {
  switch (source?.specifier) {
    case 'inline_bytes':
      return (source.inline_bytes ?? Buffer.alloc(0)).toString('utf8')
    case 'inline_string':
      return source.inline_string ?? ''
    case 'filename':
      return readFile(source.filename ?? '', 'utf8')
    default:
      return ''
  }
}

function readKey(pem: string): KeyObject | null {
  try {
    return createPrivateKey(pem)
  } catch {
    // The library's message could quote the input.
    return null
  }
}
