/**
 * Renders a certificate's subject as RFC 2253 text, the way OpenSSL's XN_FLAG_RFC2253 does: most specific part first,
 * non-ASCII bytes as `\XX`. It parses no such text, and refuses names with control bytes.
 */
import { readChildren, readOid, Tag } from './der.ts'
import type { Element } from './der.ts'

const shortNames: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.4': 'SN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'street',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.12': 'title',
  '2.5.4.42': 'GN',
  '2.5.4.45': 'x500UniqueIdentifier',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.2.840.113549.1.9.1': 'emailAddress',
}

/** RFC 2253 text of the Name `element`, '' when empty, null when malformed or holding a control byte. */
export function readDistinguishedName(der: Buffer, element: Element): string | null {
  const sets = element.tag === Tag.Sequence ? readChildren(der, element) : null
  if (sets === null) return null
  const parts: string[] = []
  for (const set of sets) {
    const attributes = set.tag === Tag.Set ? readChildren(der, set) : null
    if (attributes === null || attributes.length === 0) return null
    const texts: string[] = []
    for (const attribute of attributes) {
      const text = attribute.tag === Tag.Sequence ? readAttribute(der, attribute) : null
      if (text === null) return null
      texts.push(text)
    }
    parts.push(texts.reverse().join('+'))
  }
  return parts.reverse().join(',')
}

function readAttribute(der: Buffer, attribute: Element): string | null {
  const pair = readChildren(der, attribute)
  if (pair?.length !== 2) return null
  const oid = readOid(der, pair[0])
  const value = pair[1] as Element
  if (oid === null) return null
  const name = shortNames[oid]
  const bytes = utf8Of(der, value)
  // Unknown attributes and types are shown as DER, so that nothing in them is taken for text.
  if (name === undefined || bytes === undefined)
    return `${name ?? oid}=#${hex(der.subarray(value.start, value.end))}`
  const text = bytes === null ? null : escape(bytes)
  return text === null ? null : `${name}=${text}`
}

/** UTF-8 bytes of a string value; undefined = not a string type we read, null = malformed. */
function utf8Of(der: Buffer, { tag, value, end }: Element): Buffer | null | undefined {
  const bytes = der.subarray(value, end)
  if (tag === Tag.Utf8String || tag === Tag.PrintableString || tag === Tag.Ia5String) return bytes
  if (tag === Tag.T61String) return Buffer.from(bytes.toString('latin1'), 'utf8')
  if (tag !== Tag.BmpString) return undefined
  return bytes.length % 2 === 1 ? null : Buffer.from(Buffer.from(bytes).swap16().toString('utf16le'), 'utf8')
}

function escape(bytes: Buffer): string | null {
  let text = ''
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i] as number
    if (byte < 0x20 || byte === 0x7f) return null
    const character = String.fromCharCode(byte)
    const edge = (byte === 0x20 && (i === 0 || i === bytes.length - 1)) || (character === '#' && i === 0)
    if (byte > 0x7f) text += `\\${hex(bytes.subarray(i, i + 1))}`
    else text += edge || ',+"\\<>;'.includes(character) ? `\\${character}` : character
  }
  return text
}

const hex = (bytes: Buffer): string => bytes.toString('hex').toUpperCase()
