/**
 * Reads the names of a subjectAltName extension from its DER, length-aware (RFC 5280 §4.2.1.6). It renders no list as
 * text: a crafted name that looks like two stays one, and a name with a control byte refuses the whole extension.
 */
import { readChildren, readElement, Tag } from './der.ts'

export interface SubjectAltNames {
  readonly uriNames: readonly string[]
  readonly dnsNames: readonly string[]
  /** Whether there are names of other kinds: addresses, mail, directory or other names. */
  readonly hasOther: boolean
}

/** Context tags of GeneralName. */
export const NameTag = { Mail: 0x81, Dns: 0x82, Uri: 0x86 } as const

const maximumNames = 256

/** `at` to `end` is the value of the extension. */
export function readSubjectAltNames(der: Buffer, at: number, end: number): SubjectAltNames | null {
  const list = readElement(der, at, end)
  if (list === null || list.tag !== Tag.Sequence || list.end !== end) return null
  const names = readChildren(der, list, maximumNames)
  if (names === null || names.length === 0) return null
  const uriNames: string[] = []
  const dnsNames: string[] = []
  let hasOther = false
  for (const { tag, value, end: after } of names) {
    if (tag === NameTag.Uri || tag === NameTag.Dns || tag === NameTag.Mail) {
      const name = readName(der, value, after)
      if (name === null) return null
      if (tag === NameTag.Uri) uriNames.push(name)
      else if (tag === NameTag.Dns) dnsNames.push(name)
      else hasOther = true
    } else hasOther = true
  }
  return { uriNames, dnsNames, hasOther }
}

/** Printable ASCII or null: an IA5String may hold NUL, which has ended comparisons early elsewhere (users D2). */
export function readName(der: Buffer, at: number, end: number): string | null {
  if (at === end) return null
  for (let i = at; i < end; i += 1) {
    const byte = der[i] as number
    if (byte < 0x20 || byte > 0x7e) return null
  }
  return der.toString('latin1', at, end)
}
