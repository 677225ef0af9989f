/**
 * Texts as JSON in ASCII, and long lived pieces of lines kept so that they are cheap to paste. It knows no field and writes
 * nothing anywhere.
 */

/** Empty means there was none. */
export function text(value: string): string {
  if (value === '') return 'null'
  return escapes.test(value) ? ascii(JSON.stringify(value)) : `"${value}"`
}

// Most values are short ASCII without anything to escape: asking is cheaper than the general writer.
const escapes = /[^ !#-[\]-~]/

// The batch takes a byte a character.
function ascii(json: string): string {
  return json.replace(/[\x7f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** As one piece: what is pasted together is copied together each time it is pasted on. */
export function whole(pasted: string): string {
  return Buffer.from(pasted, 'latin1').toString('latin1')
}
