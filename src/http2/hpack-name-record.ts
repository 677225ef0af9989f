/**
 * What the encoder knows of a field name: where it stands in the tables, and whether its values come back. It decides
 * nothing about bytes, and holds no field longer than its table does.
 */
import { policyNames, Remember, rememberOf } from './hpack-field-policy.ts'
import { staticNames } from './hpack-static-table.ts'

// An entry has paid for itself when its value came back; names whose values do not come back run dry.
const startCredit = 8
const creditForHit = 2
const mostCredit = 16
/** Of the values without credit one in so many is added all the same: what changed for a while may have settled. */
const retryAfter = 32

/** A field of the dynamic table, linked to those of the same name. */
export class Entry {
  readonly record: NameRecord
  readonly value: string
  /** Counts up with every field added. */
  readonly number: number
  older: Entry | null
  newer: Entry | null = null

  constructor(record: NameRecord, value: string, number: number) {
    this.record = record
    this.value = value
    this.number = number
    this.older = record.newest
  }
}

/** What the encoder knows of a name. */
export class NameRecord {
  readonly name: string
  readonly remember: Remember
  /** Of the static table: the first index of this name and the one behind its last; 0 when it has none. */
  readonly staticFrom: number
  readonly staticTo: number
  newest: Entry | null = null
  /** The value last found, and where: the number of an entry, or below zero an index of the static table. */
  hotValue = ''
  hot = 0
  /** How many values may still be added before one has come back. */
  credit = startCredit
  /** How many were not found since there is no credit. */
  passedOver = 0

  constructor(name: string, known: KnownName | undefined) {
    this.name = known === undefined ? whole(name) : known.name
    this.remember = known?.remember ?? Remember.Learned
    this.staticFrom = known?.staticFrom ?? 0
    this.staticTo = known?.staticTo ?? 0
  }

  /** One of its values was found in the table. */
  cameBack(): void {
    if (this.credit < mostCredit) this.credit += creditForHit
  }

  /** Whether a value that was not found should get an entry; not to be asked of secrets. Asking spends credit. */
  earnsEntry(): boolean {
    // The entry is for the name: from then on the name costs two bytes.
    if (this.staticFrom === 0 && this.newest === null) return true
    if (this.remember === Remember.NameOnly) return false
    if (this.credit > 0) {
      this.credit--
      return true
    }
    this.passedOver = (this.passedOver + 1) % retryAfter
    return this.passedOver === 0
  }
}

export interface KnownName {
  readonly name: string
  readonly remember: Remember
  readonly staticFrom: number
  readonly staticTo: number
}

/** The names of the static table and of the policy. */
export const knownNames = new Map<string, KnownName>(
  [...staticNames.slice(1), ...policyNames].map((name) => {
    const from = staticNames.indexOf(name)
    const remember = rememberOf(name)
    return from < 0
      ? [name, { name, remember, staticFrom: 0, staticTo: 0 }]
      : [name, { name, remember, staticFrom: from, staticTo: staticNames.lastIndexOf(name) + 1 }]
  }),
)

/** As a piece of its own: it keeps no head alive that it was cut from. */
export function whole(text: string): string {
  return text.length < shortestSlice ? text : Buffer.from(text, 'latin1').toString('latin1')
}

/** V8 copies what is shorter when it cuts. */
const shortestSlice = 13
