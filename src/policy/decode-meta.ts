/**
 * The envelope of an object, strictly: apiVersion, kind, metadata, and which top-level fields may stand beside `spec`.
 * The spec itself is for the decoder of its kind.
 */
import { expected } from '../decode/decode-problem.ts'
import type { Path } from '../decode/decode-problem.ts'
import { corner, optional, record, required, string, strings } from '../decode/decode.ts'
import type { Fields } from '../decode/decode.ts'
import { dnsLabel, dnsName } from './names.ts'
import type { RawResource, ResourceMeta } from './resource.ts'

/** Everything of metadata that is not read here is bookkeeping of an API server and tolerated. */
export function decodeMeta(raw: RawResource): ResourceMeta {
  const at = 'metadata'
  const fields = corner(raw.object['metadata'], at, [
    'name',
    'namespace',
    'labels',
    'annotations',
    'creationTimestamp',
  ])
  return {
    name: required(fields, 'name', at, dnsName),
    // A MeshPolicy is of no namespace, whatever is written. Some tools write the empty text for none.
    namespace: raw.kind === 'MeshPolicy' ? '' : (optional(fields, 'namespace', at, namespace) ?? 'default'),
    labels: optional(fields, 'labels', at, strings) ?? {},
    annotations: optional(fields, 'annotations', at, strings) ?? {},
    createdAt: optional(fields, 'creationTimestamp', at, timestamp) ?? 0,
    origin: raw.meta.origin,
  }
}

const namespace = (input: unknown, at: Path): string | null => (input === '' ? null : dnsLabel(input, at))

function timestamp(input: unknown, at: Path): number {
  const text = string(input, at)
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : NaN
  if (Number.isNaN(ms)) throw expected('a time such as "2024-01-31T12:00:00Z"', input, at)
  return ms
}

/** The fields of `spec`, only the known ones; an absent spec is an empty one. Unknown top-level fields are refused. */
export function specFields(raw: RawResource, known: readonly string[]): Fields {
  const envelope = record(raw.object, '', ['apiVersion', 'kind', 'metadata', 'spec', 'status'])
  return optional(envelope, 'spec', '', (input, at) => record(input, at, known)) ?? new Map()
}
