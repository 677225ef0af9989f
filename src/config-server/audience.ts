/**
 * Who may have an object, by the asker's namespace: what is about his workloads or about servers he calls, nothing of
 * other tenants. It selects by namespace; labels are the receiver's to match.
 */
import type { Entry } from '../discovery/entry.ts'
import { ruleIsVisible, visibleTo } from '../discovery/visibility.ts'
import type { DestinationRule } from '../policy/destination-rule.ts'

export function mayKnow(entry: Entry, rootNamespace: string): (asking: string) => boolean {
  const { decoded, raw } = entry
  const { namespace } = raw.meta
  switch (raw.kind) {
    case 'AuthorizationPolicy':
    case 'RequestAuthentication':
      return (asking) => namespace === asking || namespace === rootNamespace
    case 'DestinationRule':
      // The stub of a rule reaches all that might have been its clients.
      return decoded.kind === 'DestinationRule'
        ? (asking) => rulePart(decoded.value, asking) === 'all'
        : () => true
    case 'PeerAuthentication':
    case 'MeshPolicy':
      // Clients need every server's mode.
      return () => true
    case 'Policy':
      // Clients elsewhere need the mode as well, and get a part that says nothing else; a stub says nothing more.
      return (asking) => namespace === asking || decoded.kind === 'refused'
    default:
      return () => false
  }
}

/**
 * How much of a rule a client of `asking` gets. One exported to third namespaces still hides less exact rules of its
 * namespace from everybody (policy-semantics §4.5): that it is there must be known, its settings need not be.
 */
export function rulePart(rule: DestinationRule, asking: string): 'all' | 'host' | 'nothing' {
  if (!ruleIsVisible(rule, asking)) return 'nothing'
  const { namespace } = rule.meta
  return namespace === asking || visibleTo(rule.exportTo, namespace, asking) ? 'all' : 'host'
}
