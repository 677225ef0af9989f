/** Who may see an exported object (`exportTo`, policy-semantics §4.5). What wins among the visible is not asked here. */

/**
 * `exportTo` as written on an object of `namespace`: empty or `*` = everybody, `.` = its own namespace, else the named
 * ones; `~` is nobody. A list without the own namespace hides the object from its own namespace too.
 */
export function visible(exportTo: readonly string[], namespace: string, clientNamespace: string): boolean {
  if (exportTo.length === 0) return true
  for (const target of exportTo) {
    if (target === '*' || target === clientNamespace) return true
    if (target === '.' && namespace === clientNamespace) return true
  }
  return false
}
