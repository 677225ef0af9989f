/**
 * On which paths a legacy origin is asked for its token (policy-semantics §7), as an immutable value: what is written, not
 * how it is matched.
 */

/** Case counts; the path is the normalized one, without query and fragment. */
export interface PathMatch {
  readonly kind: 'exact' | 'prefix' | 'suffix' | 'regex'
  readonly text: string
}

/** Fires when the path is none of `excluded`, and one of `included` or that list is empty. */
export interface TriggerRule {
  readonly excluded: readonly PathMatch[]
  readonly included: readonly PathMatch[]
}
