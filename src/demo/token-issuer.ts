/**
 * An issuer of end-user tokens with a key of its own, so that the tour can show good and bad ones. It is asked by nobody
 * over the network: its public key stands in the configuration.
 */
import { generateKeyPairSync, sign } from 'node:crypto'

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

export class TokenIssuer {
  readonly name: string
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })

  constructor(name: string) {
    this.name = name
  }

  /** The key set as RequestAuthentication takes it. */
  get jwks(): string {
    const { kty, crv, x, y } = this.#keys.publicKey.export({ format: 'jwk' })
    return JSON.stringify({ keys: [{ kty, crv, x, y, alg: 'ES256' }] })
  }

  /** `lifetime` in seconds from now; below zero the token has expired. */
  issue(subject: string, lifetime: number): string {
    const now = Math.floor(Date.now() / 1000)
    const claims = { iss: this.name, sub: subject, iat: now - 3600, exp: now + lifetime }
    const signed = `${part({ alg: 'ES256', typ: 'JWT' })}.${part(claims)}`
    const key = { key: this.#keys.privateKey, dsaEncoding: 'ieee-p1363' } as const
    return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
  }
}
