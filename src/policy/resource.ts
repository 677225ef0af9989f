/**
 * What every configuration object carries, whatever its kind, as an immutable, structured-cloneable value. It knows
 * where the object was written so that each complaint can name file and line; it does not decode any spec.
 */
export interface ResourceMeta {
  readonly name: string
  /** Namespace of the object; `default` when the document names none. */
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** Milliseconds since the epoch; 0 when the object carries no creationTimestamp (older than everything dated). */
  readonly createdAt: number
  /** `folder/file.yaml:12`, or the name of the server it came from. For messages only. */
  readonly origin: string
}

/** A raw document: one Kubernetes-shaped object as parsed, before anybody decoded its spec. */
export interface RawResource {
  readonly apiVersion: string
  readonly kind: string
  readonly meta: ResourceMeta
  /** The whole object as plain JSON values. */
  readonly object: Readonly<Record<string, unknown>>
  /** Set when the document was damaged (syntax, a key twice): what was recovered serves its fail-closed stub only. */
  readonly damage?: string
}

/** Why an object is not in force. Its fail-closed stub is; see architecture §4. */
export interface Quarantined {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly origin: string
  /** `spec.rules[2].from: expected a list`: the path of what is wrong and what was expected. */
  readonly reason: string
  /** True when an earlier good version of the object stays in force instead of the stub. */
  readonly lastGood: boolean
}

/** Labels that must all be present with these values; empty or absent selects everything in scope. */
export type Selector = Readonly<Record<string, string>>

/** Whether `labels` carry every pair of `selector`; exact and case-sensitive (policy-semantics §4.1). */
export function selects(selector: Selector | null, labels: Readonly<Record<string, string>>): boolean {
  if (selector === null) return true
  for (const key of Object.keys(selector)) if (labels[key] !== selector[key]) return false
  return true
}
