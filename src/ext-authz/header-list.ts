/**
 * Headers from an authorizer on their way into a flat list: checked one by one, and capped in sum. What is ours alone to
 * write is passed over; what no head may contain makes the whole list unusable, for leaving it out could change a verdict.
 */
import { isFieldName, isFieldValue } from './header-rules.ts'

const mostFields = 100
/** Bytes of names and values; a head of ours has 60 KiB for all. */
const mostBytes = 48 * 1024

export class HeaderList {
  readonly fields: string[] = []
  /** A fixed text, or null while all is well. */
  fault: string | null = null
  readonly #isOurs: (name: string) => boolean
  #bytes = 0

  constructor(isOurs: (name: string) => boolean) {
    this.#isOurs = isOurs
  }

  add(anyName: string, value: string): void {
    const name = anyName.toLowerCase()
    if (this.#isOurs(name)) return
    if (!isFieldName(name) || !isFieldValue(value)) {
      this.fault ??= 'unsafe_header'
      return
    }
    this.#bytes += name.length + value.length
    if (this.#bytes > mostBytes || this.fields.length >= mostFields * 2) this.fault ??= 'too_many_headers'
    else this.fields.push(name, value)
  }
}
