/**
 * Specs as Kubernetes writes them (plain JSON) to Istio's protobuf messages and back, where proto3's JSON differs from
 * the message: durations, wrappers, absent values. It judges no content, but says what a message cannot hold.
 */
import { loadProto } from '../proto/load-proto.ts'
import { durationFields, type Shape } from './message-shape.ts'
import type { ResourceType } from './resource-type.ts'

export type Encoded =
  { readonly ok: true; readonly bytes: Buffer } | { readonly ok: false; readonly reason: string }

type Plain = Readonly<Record<string, unknown>>

/** `spec` as message bytes; refused with the path of what the message has no place for, never silently without it. */
export function encodeSpec(type: ResourceType, spec: Plain): Encoded {
  const codec = loadProto(type.file).message<Plain>(type.message)
  try {
    const message = toMessage(spec, type.shape, 'spec')
    const bytes = codec.encode(message as object)
    const lost = difference(message, codec.decode(bytes), 'spec')
    if (lost !== null) return { ok: false, reason: `${lost}: cannot be distributed (no such field or value)` }
    return { ok: true, bytes }
  } catch (error) {
    return { ok: false, reason: `${error instanceof Error ? error.message : String(error)}` }
  }
}

/** The message's spec as plain JSON; absent is absent again. Throws on bytes that are not this message. */
export function decodeSpec(type: ResourceType, bytes: Buffer): Record<string, unknown> {
  const message = loadProto(type.file).message<Plain>(type.message).decode(bytes)
  return fromMessage(message, type.shape) as Record<string, unknown>
}

function toMessage(value: unknown, shape: Shape | undefined, at: string): unknown {
  if (value === null || value === undefined) return null
  if (Array.isArray(value)) return value.map((entry, i) => toMessage(entry, shape, `${at}[${i}]`))
  if (shape === 'duration') {
    const duration = durationFields(value)
    if (duration === null) throw new TypeError(`${at}: expected a duration`)
    return duration
  }
  if (shape === 'wrapper') return { value }
  if (typeof value !== 'object') return value
  const out: Record<string, unknown> = {}
  for (const [key, entry] of Object.entries(value)) {
    if (key === '__proto__') throw new TypeError(`${at}.__proto__: cannot be distributed`)
    const inner = shape === 'map' ? undefined : inside(shape, key)
    const message = toMessage(entry, inner, `${at}.${key}`)
    if (message !== null) out[key] = message
  }
  return out
}

function fromMessage(value: unknown, shape: Shape | undefined): unknown {
  if (Array.isArray(value)) return value.map((entry) => fromMessage(entry, shape))
  if (typeof value !== 'object' || value === null) return value
  if (shape === 'duration') return durationText(value as { seconds: number; nanos: number })
  if (shape === 'wrapper') return (value as { value: unknown }).value
  const out: Record<string, unknown> = {}
  for (const [key, entry] of Object.entries(value)) {
    if (shape === 'map') {
      out[key] = fromMessage(entry, undefined)
      continue
    }
    // The loader names the member of a oneof that is set under the oneof's own name, and only those have underscores.
    if (key.includes('_') || isAbsent(entry, inside(shape, key))) continue
    out[key] = fromMessage(entry, inside(shape, key))
  }
  return out
}

/** proto3 does not tell a default scalar from none; an empty message is something. */
function isAbsent(value: unknown, shape: Shape | undefined): boolean {
  if (Array.isArray(value)) return value.length === 0
  if (shape === 'map') return Object.keys(value as object).length === 0
  return value === null || value === undefined || value === '' || value === 0 || value === false
}

/** The path of the first thing in `sent` that `kept` has not; null when nothing was lost. */
function difference(sent: unknown, kept: unknown, at: string): string | null {
  if (sent === null || sent === undefined) return null
  if (Array.isArray(sent)) {
    if (!Array.isArray(kept) || kept.length !== sent.length) return at
    for (const [i, entry] of sent.entries()) {
      const lost = difference(entry, kept[i], `${at}[${i}]`)
      if (lost !== null) return lost
    }
    return null
  }
  // A number where text is wanted is the same to the decoders (`ports: [8080]`).
  if (typeof sent !== 'object') return typeof kept !== 'object' && String(sent) === String(kept) ? null : at
  if (typeof kept !== 'object' || kept === null || Array.isArray(kept)) return at
  for (const [key, entry] of Object.entries(sent)) {
    if (!Object.hasOwn(kept, key)) return `${at}.${key}`
    const lost = difference(entry, (kept as Plain)[key], `${at}.${key}`)
    if (lost !== null) return lost
  }
  return null
}

function inside(shape: Shape | undefined, key: string): Shape | undefined {
  return typeof shape === 'object' && Object.hasOwn(shape, key) ? shape[key] : undefined
}

function durationText({ seconds, nanos }: { seconds: number; nanos: number }): string {
  const sign = seconds < 0 || nanos < 0 ? '-' : ''
  const fraction = nanos === 0 ? '' : `.${String(Math.abs(nanos)).padStart(9, '0').replace(/0+$/, '')}`
  return `${sign}${Math.abs(seconds)}${fraction}s`
}
