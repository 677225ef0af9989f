/**
 * Why redirection was not touched: wrong options, missing rights, no usable binary, or rules in the way. Every one is raised
 * before a rule changes, or after a transaction the kernel took none of.
 */
import { MeshError } from '../error.ts'

export type InterceptionErrorCode =
  | 'ERR_INTERCEPTION_PORT'
  | 'ERR_INTERCEPTION_CIDR'
  | 'ERR_INTERCEPTION_INTERFACE'
  | 'ERR_INTERCEPTION_OWNER'
  | 'ERR_INTERCEPTION_UNSUPPORTED'
  | 'ERR_INTERCEPTION_NOT_ROOT'
  | 'ERR_INTERCEPTION_NO_BINARY'
  | 'ERR_INTERCEPTION_RESIDUE'
  | 'ERR_INTERCEPTION_COMMAND'
  | 'ERR_INTERCEPTION_VERIFY'

export class InterceptionError extends MeshError<InterceptionErrorCode> {
  /** True when typing something else mends it: bad usage, not a failure of this machine. */
  get usage(): boolean {
    return usageCodes.has(this.code)
  }
}

const usageCodes: ReadonlySet<InterceptionErrorCode> = new Set<InterceptionErrorCode>([
  'ERR_INTERCEPTION_PORT',
  'ERR_INTERCEPTION_CIDR',
  'ERR_INTERCEPTION_INTERFACE',
  'ERR_INTERCEPTION_OWNER',
  'ERR_INTERCEPTION_UNSUPPORTED',
])
