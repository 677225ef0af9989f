/**
 * Every way a token or its key set can be refused, in the exact texts that clients see (policy-semantics §6.4), and what
 * follows from a text. It finds no fault itself.
 */
import type { KeySetFault } from '../policy/key-set-text.ts'

export type TokenFault =
  | 'Jwt is missing'
  | 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'
  | `Jwt ${'header' | 'payload'} is an invalid ${'Base64url encoded' | 'JSON'}`
  | 'Jwt header [alg] field is required and must be a string'
  | 'Jwt header [alg] is not supported'
  | 'Jwt header [kid] field is not a string'
  | `Jwt payload [${'iss' | 'sub' | 'jti'}] field is not a string`
  | `Jwt payload [${'exp' | 'iat' | 'nbf'}] field is not ${'an integer' | 'a positive 64 bit integer'}`
  | 'Jwt payload [aud] field is not a string or string list'
  | 'Jwt signature is an invalid Base64url encoded'
  | 'Jwt ED25519 signature is wrong length'
  | 'Jwt issuer is not configured'
  | 'Jwt not yet valid'
  | 'Jwt is expired'
  | 'Audiences in Jwt are not allowed'
  | 'Jwt verification fails'
  | KeyFault

/** Faults of the key set rather than of the token. */
export type KeyFault =
  | KeySetFault
  | "Jwks doesn't have key to match kid or alg from Jwt"
  | "Jwks doesn't have any valid public key"
  | 'Jwks remote fetch is failed'

/** A wrong audience is the only fault of a token that is not 401. */
export const statusOf = (fault: TokenFault): 401 | 403 =>
  fault === 'Audiences in Jwt are not allowed' ? 403 : 401

/** The response code details of an access record. */
export const detailsOf = (fault: TokenFault): string =>
  `jwt_authn_access_denied{${fault.replaceAll(' ', '_')}}`
