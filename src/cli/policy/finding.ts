/** What `policy check` says of an object, as a value. Finding something is the work of `lint.ts` and its neighbours. */
import type { ResourceMeta } from '../../policy/resource.ts'

export type FindingKind =
  | 'refused'
  | 'decode'
  | 'http-rule-on-tcp-port'
  | 'custom-provider'
  | 'identity-under-permissive'
  | 'token-never-required'
  | 'path-without-strict'
  | 'never-matches'
  | 'shadowed'
  | 'legacy-out-of-force'
  | 'legacy-twice'
  | 'legacy-stricter'
  | 'legacy-differs'

export interface Finding {
  readonly severity: 'error' | 'warning'
  readonly kind: FindingKind
  /** `folder/file.yaml:12`. */
  readonly origin: string
  /** `AuthorizationPolicy shop/web`; '' where no object could be told. */
  readonly object: string
  readonly message: string
}

export const warning = (kind: FindingKind, what: string, meta: ResourceMeta, message: string): Finding => ({
  severity: 'warning',
  kind,
  origin: meta.origin,
  object: objectName(what, meta),
  message,
})

/** A kind that is of no namespace has a name alone. */
export const objectName = (
  kind: string,
  { namespace, name }: Pick<ResourceMeta, 'namespace' | 'name'>,
): string => (namespace === '' ? `${kind} ${name}` : `${kind} ${namespace}/${name}`)
