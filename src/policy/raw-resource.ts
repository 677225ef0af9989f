/**
 * A plain JSON object to a RawResource: enough of its metadata to name it in messages and to scope a stub. It forgives
 * everything; `decode-resource.ts` reads the same metadata again, strictly.
 */
import type { RawResource, ResourceMeta } from './resource.ts'

type Json = Readonly<Record<string, unknown>>

/** `origin` is where it was written: `folder/file.yaml:12`, or the name of a server. */
export function rawResource(object: Json, origin: string, damage?: string): RawResource {
  const raw = {
    apiVersion: typeof object['apiVersion'] === 'string' ? object['apiVersion'] : '',
    kind: typeof object['kind'] === 'string' ? object['kind'] : '',
    meta: guessedMeta(object['metadata'], object['kind'] === 'MeshPolicy' ? '' : 'default', origin),
    object,
  }
  return damage === undefined ? raw : { ...raw, damage }
}

/** `namespace`: of an object that names none; '' for a kind that has none. */
function guessedMeta(input: unknown, namespace: string, origin: string): ResourceMeta {
  const metadata = typeof input === 'object' && input !== null ? (input as Json) : {}
  return {
    name: guessedName(metadata['name']) ?? '(unnamed)',
    namespace: namespace === '' ? '' : (guessedName(metadata['namespace']) ?? namespace),
    labels: {},
    annotations: {},
    createdAt: 0,
    origin,
  }
}

// `namespace: 123` is not text, but there is no doubt about what was meant; a path or a control character is no name.
function guessedName(input: unknown): string | null {
  const text = typeof input === 'number' ? String(input) : input
  return typeof text === 'string' && /^[A-Za-z0-9._-]{1,253}$/.test(text) ? text : null
}
