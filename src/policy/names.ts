/** The grammars of Kubernetes names and of hosts as Istio's resources write them; it resolves and looks up nothing. */
import { DecodeProblem, expected } from '../decode/decode-problem.ts'
import type { Path } from '../decode/decode-problem.ts'
import { string } from '../decode/decode.ts'

const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/
const hostLabel = /^[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?$/

/** RFC 1123 label, at most 63 characters: namespaces, subsets, ports. */
export const isDnsLabel = (text: string): boolean => label.test(text)

/** RFC 1123 subdomain, at most 253 characters: object names. */
export const isDnsName = (text: string): boolean =>
  text.length <= 253 && text.split('.').every((part) => label.test(part))

/** A host name, lower case, no final dot; with `wildcard` also `*` and `*.example.com` (policy-semantics §8.4). */
export function isHost(text: string, wildcard: boolean): boolean {
  if (wildcard && text === '*') return true
  const rest = wildcard && text.startsWith('*.') ? text.slice(2) : text
  return rest.length > 0 && rest.length <= 253 && rest.split('.').every((part) => hostLabel.test(part))
}

export function dnsLabel(input: unknown, at: Path): string {
  const text = string(input, at)
  if (!isDnsLabel(text)) {
    throw expected('a DNS label (a-z, 0-9 and "-", at most 63 characters, no "-" at the ends)', input, at)
  }
  return text
}

export function dnsName(input: unknown, at: Path): string {
  const text = string(input, at)
  if (!isDnsName(text))
    throw expected('a DNS name (a-z, 0-9, "-" and ".", at most 253 characters)', input, at)
  return text
}

/** Lower-cased; wildcards allowed. */
export function hostPattern(input: unknown, at: Path): string {
  const text = string(input, at).toLowerCase()
  if (!isHost(text, true)) throw expected('a host name, "*" or "*." and a domain', input, at)
  return text
}

/** Decodes `exportTo`; the own namespace may be written `.` or by name, but not both (policy-semantics §8.4). */
export function decodeExportTo(input: unknown, at: Path, namespace: string): readonly string[] {
  if (!Array.isArray(input)) throw expected('a list', input, at)
  const seen = new Set<string>()
  const targets = Array.from(input, (item: unknown, index) => {
    const text = string(item, `${at}[${index}]`)
    // `~` is Istio's word for nobody.
    if (text !== '.' && text !== '*' && text !== '~' && !isDnsLabel(text)) {
      throw expected('".", "*" or a namespace', item, `${at}[${index}]`)
    }
    const meant = text === '.' ? namespace : text
    if (seen.has(meant)) throw new DecodeProblem(`${at}[${index}]`, `the namespace "${meant}" is given twice`)
    seen.add(meant)
    return text
  })
  for (const lonely of ['*', '~']) {
    if (targets.length > 1 && targets.includes(lonely)) {
      throw new DecodeProblem(at, `"${lonely}" cannot stand beside other namespaces`)
    }
  }
  return targets
}
