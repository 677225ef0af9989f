/**
 * google.protobuf.Struct to plain JSON values and back, for node metadata and request metadata. It validates nothing
 * about the content.
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** The wire shape that the loaded codecs read and write. */
export interface StructMessage {
  readonly fields: Readonly<Record<string, ValueMessage>>
}

export interface ValueMessage {
  readonly kind?: string
  readonly nullValue?: unknown
  readonly numberValue?: number
  readonly stringValue?: string
  readonly boolValue?: boolean
  readonly structValue?: StructMessage | null
  readonly listValue?: { readonly values: readonly ValueMessage[] } | null
}

export function toStruct(value: { readonly [key: string]: Json | undefined }): StructMessage {
  const fields: Record<string, ValueMessage> = {}
  for (const [key, entry] of Object.entries(value)) if (entry !== undefined) fields[key] = toValue(entry)
  return { fields }
}

export function fromStruct(struct: StructMessage | null | undefined): Record<string, Json> {
  // No prototype: a field may be called __proto__.
  const out = Object.create(null) as Record<string, Json>
  for (const [key, value] of Object.entries(struct?.fields ?? {})) out[key] = fromValue(value)
  return out
}

function toValue(value: Json): ValueMessage {
  if (value === null) return { nullValue: 'NULL_VALUE' }
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'number') return { numberValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (isList(value)) return { listValue: { values: value.map(toValue) } }
  return { structValue: toStruct(value) }
}

function fromValue(value: ValueMessage): Json {
  switch (value.kind) {
    case 'stringValue':
      return value.stringValue ?? ''
    case 'numberValue':
      return value.numberValue ?? 0
    case 'boolValue':
      return value.boolValue ?? false
    case 'structValue':
      return fromStruct(value.structValue)
    case 'listValue':
      return (value.listValue?.values ?? []).map(fromValue)
    default:
      return null
  }
}

function isList(value: readonly Json[] | object): value is readonly Json[] {
  return Array.isArray(value)
}
