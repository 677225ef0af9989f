/**
 * `tls` of a traffic policy: how a client dials, unknown to typed, with the combinations that would quietly weaken the
 * check of the server refused (policy-semantics §4.6, §8.4). Files are named here, never opened.
 */
import { DecodeProblem } from '../decode/decode-problem.ts'
import type { Decoder } from '../decode/decode.ts'
import { boolean, items, nonEmptyString, oneOf, optional, record, string } from '../decode/decode.ts'
import type { ClientTlsSettings } from './destination-rule.ts'

const files = ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const

/** `selected`: the rule has a workloadSelector, without which a sidecar has no use for credentialName. */
export function clientTls(selected: boolean, warnings: string[]): Decoder<ClientTlsSettings> {
  return (input, at) => {
    const fields = record(input, at, [
      'mode',
      ...files,
      'credentialName',
      'subjectAltNames',
      'sni',
      'insecureSkipVerify',
    ])
    const text = (key: string): string | null => optional(fields, key, at, string) || null
    const tls: ClientTlsSettings = {
      mode: optional(fields, 'mode', at, oneOf(['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'])) ?? 'DISABLE',
      clientCertificate: text('clientCertificate'),
      privateKey: text('privateKey'),
      caCertificates: text('caCertificates'),
      caCrl: text('caCrl'),
      credentialName: text('credentialName'),
      subjectAltNames: items(fields, 'subjectAltNames', at, nonEmptyString),
      sni: text('sni'),
      insecureSkipVerify: optional(fields, 'insecureSkipVerify', at, boolean) ?? false,
    }
    const fault = contradiction(tls, selected)
    if (fault !== null) throw new DecodeProblem(at, fault)
    if (!fields.has('mode')) warnings.push(`${at}: no mode is set, which means DISABLE: plaintext`)
    const verifies = tls.mode === 'SIMPLE' || tls.mode === 'MUTUAL'
    if (verifies && !tls.insecureSkipVerify) {
      if (tls.caCertificates === null && tls.credentialName === null) {
        warnings.push(`${at}: no caCertificates: the server is verified against the system's roots`)
      }
      if (tls.sni !== null && tls.subjectAltNames.length === 0) {
        warnings.push(`${at}: sni without subjectAltNames: the server's name is not checked`)
      }
    }
    if (verifies && tls.insecureSkipVerify)
      warnings.push(`${at}: insecureSkipVerify: the server is not verified`)
    return tls
  }
}

function contradiction(tls: ClientTlsSettings, selected: boolean): string | null {
  const named = files.find((file) => tls[file] !== null)
  if (tls.mode === 'ISTIO_MUTUAL') {
    const used = named ?? (tls.credentialName === null ? undefined : 'credentialName')
    return used === undefined
      ? null
      : `${used} cannot be combined with ISTIO_MUTUAL, which uses the mesh certificate`
  }
  if (tls.credentialName !== null) {
    if (named !== undefined) return `credentialName cannot be combined with ${named}`
    if (!selected)
      return 'credentialName needs a workloadSelector: without one a sidecar would send plaintext'
  } else if (tls.mode === 'MUTUAL' && (tls.clientCertificate === null || tls.privateKey === null)) {
    return 'MUTUAL needs clientCertificate and privateKey'
  }
  if (!tls.insecureSkipVerify) return null
  if (tls.caCertificates !== null) return 'insecureSkipVerify cannot be combined with caCertificates'
  if (tls.subjectAltNames.length > 0) return 'insecureSkipVerify cannot be combined with subjectAltNames'
  if (tls.mode === 'SIMPLE' && tls.credentialName !== null) {
    return 'insecureSkipVerify cannot be combined with credentialName'
  }
  return null
}
