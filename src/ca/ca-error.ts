/** What can go wrong with a certificate authority itself; refusals of callers are values, not these. */
import { MeshError } from '../error.ts'

export type CaErrorCode =
  'ERR_CA_INCOMPLETE' | 'ERR_CA_MISMATCH' | 'ERR_CA_CERTIFICATE' | 'ERR_CA_EXPIRED' | 'ERR_CA_BIND'

export class CaError extends MeshError<CaErrorCode> {}
