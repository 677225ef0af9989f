/**
 * Proof that a request or connection was allowed: forwarding demands one, and only `compile.ts` makes them, at load.
 * It is not a capability for anything else.
 */
declare const proof: unique symbol

/** `policy` is the id of the rule that allowed, or '' when no ALLOW policy selects the workload. */
export type Permit = { readonly policy: string; readonly [proof]: true }

/** For compile() alone: authorize() hands out what was prepared. floors.test.ts looks for other callers. */
export const grant = (policy: string): Permit => ({ policy }) as Permit
