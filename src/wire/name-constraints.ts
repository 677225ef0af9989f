/**
 * Reads a nameConstraints extension (RFC 5280 §4.2.1.10) and says whether URI and DNS names keep to it. Constraints on
 * other kinds of names are only noticed, so that whoever judges can refuse what is not understood.
 */
import { readChildren, readElement, Tag } from './der.ts'
import { NameTag, readName } from './subject-alt-name.ts'

interface Subtrees {
  readonly uri: readonly string[]
  readonly dns: readonly string[]
}

export interface NameConstraints {
  readonly permitted: Subtrees
  readonly excluded: Subtrees
  /** Whether names of other kinds are constrained, or distances given: not understood here. */
  readonly hasOther: boolean
}

/** `at` to `end` is the value of the extension. */
export function readNameConstraints(der: Buffer, at: number, end: number): NameConstraints | null {
  const sequence = readElement(der, at, end)
  const parts = sequence?.tag === Tag.Sequence && sequence.end === end ? readChildren(der, sequence) : null
  if (parts === null || parts.length === 0) return null
  const permitted = { uri: [] as string[], dns: [] as string[] }
  const excluded = { uri: [] as string[], dns: [] as string[] }
  let hasOther = false
  let last = 0
  for (const part of parts) {
    if ((part.tag !== 0xa0 && part.tag !== 0xa1) || part.tag <= last) return null
    last = part.tag
    const into = part.tag === 0xa0 ? permitted : excluded
    const subtrees = readChildren(der, part)
    if (subtrees === null || subtrees.length === 0) return null
    for (const subtree of subtrees) {
      const [base, ...distances] = (subtree.tag === Tag.Sequence && readChildren(der, subtree)) || []
      if (base === undefined) return null
      const known = base.tag === NameTag.Uri ? into.uri : base.tag === NameTag.Dns ? into.dns : null
      if (known === null || distances.length > 0) {
        hasOther = true
        continue
      }
      // An empty base stands for every name of its kind.
      const name = base.value === base.end ? '' : readName(der, base.value, base.end)
      if (name === null) return null
      known.push(name.toLowerCase())
    }
  }
  return { permitted, excluded, hasOther }
}

/** Whether a URI name with this host may stand below a CA with these constraints. */
export function hostAllowed(constraints: NameConstraints, host: string): boolean {
  return allowed(constraints.permitted.uri, constraints.excluded.uri, host.toLowerCase(), (base, name) =>
    base.startsWith('.') ? name.endsWith(base) : name === base,
  )
}

/** Whether a DNS name may stand below a CA with these constraints. */
export function dnsAllowed(constraints: NameConstraints, dns: string): boolean {
  return allowed(constraints.permitted.dns, constraints.excluded.dns, dns.toLowerCase(), (base, name) =>
    base.startsWith('.') ? name.endsWith(base) : name === base || name.endsWith(`.${base}`),
  )
}

function allowed(
  permitted: readonly string[],
  excluded: readonly string[],
  name: string,
  within: (base: string, name: string) => boolean,
): boolean {
  const falls = (base: string): boolean => base === '' || within(base, name)
  return !excluded.some(falls) && (permitted.length === 0 || permitted.some(falls))
}
