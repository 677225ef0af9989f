/**
 * The options of Connection (RFC 9110 §7.6.1) that the codec itself obeys, as a bit set. Removing nominated fields
 * before forwarding is not its business.
 */
import { Field } from './field-names.ts'
import type { FieldSection } from './field-section.ts'

export const Option = {
  Close: 1,
  KeepAlive: 2,
  Upgrade: 4,
  /** It nominates Host, Content-Length or Transfer-Encoding, which a next hop would then lose. */
  Framing: 8,
} as const

export function connectionOptions(section: FieldSection, headers: readonly string[]): number {
  if (!section.has(Field.Connection)) return 0
  if (!section.isRepeated(Field.Connection)) return optionsOf(section.first(headers, Field.Connection))
  let options = 0
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === 'connection') options |= optionsOf(headers[i + 1] as string)
  }
  return options
}

/** May another message follow (RFC 9112 §9.3)? Close wins over keep-alive. */
export function keepsAlive(version: number, options: number): boolean {
  if ((options & Option.Close) !== 0) return false
  return version === 11 || (options & Option.KeepAlive) !== 0
}

function optionsOf(value: string): number {
  const whole = option(value)
  if (whole !== 0) return whole
  if (value.indexOf(',') < 0) return option(value.toLowerCase())
  let options = 0
  for (const part of value.toLowerCase().split(',')) options |= option(part.replace(/^[ \t]+|[ \t]+$/g, ''))
  return options
}

function option(text: string): number {
  switch (text) {
    case 'close':
      return Option.Close
    case 'keep-alive':
      return Option.KeepAlive
    case 'upgrade':
      return Option.Upgrade
    case 'host':
    case 'content-length':
    case 'transfer-encoding':
      return Option.Framing
    default:
      return 0
  }
}
