/**
 * Who we are, as our certificate in force says it: for records and for what we tell the application. What configuration
 * would make of workload and trust domain is a guess beside it, and is not used.
 */
import type { DataPlane } from './data-plane.ts'

/** `spiffe://...`, or '' before the first certificate. */
export function ownPrincipal(plane: DataPlane): string {
  return plane.contexts.principal
}
