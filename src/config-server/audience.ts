/**
 * Who may have an object, by the asker's namespace: what is about his workloads or about servers he calls, nothing of
 * other tenants. It selects by namespace; labels are the receiver's to match.
 */
import type { Entry } from '../discovery/resource-state.ts'
import { ruleIsVisible } from '../discovery/visibility.ts'

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
        ? (asking) => ruleIsVisible(decoded.value, asking)
        : () => true
    case 'PeerAuthentication':
      // Clients need every server's mode.
      return () => true
    default:
      return () => false
  }
}
