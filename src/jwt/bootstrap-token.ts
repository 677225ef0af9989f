/**
 * The mesh's own workload tokens: signed statements "this is service account SA of namespace NS", for workloads that no
 * platform attests. It issues and verifies them; it maps nothing to a SPIFFE ID and reads no user's JWT.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { SignJWT, jwtVerify } from 'jose'
import { MeshError } from '../error.ts'
import type { Clock } from '../lifecycle/clock.ts'
import { createFile, readPrivateFile } from './private-file.ts'

export class BootstrapTokenError extends MeshError<'ERR_JWT_TOKEN_KEY' | 'ERR_JWT_TOKEN_CLAIMS'> {}

/** What a token must be meant for (dataplane §1.4 TOKEN_AUDIENCES). */
export const bootstrapAudience = 'istio-ca'
const issuer = 'sallyport-mesh'
const algorithm = 'ES256'
const keyFile = 'token-key.pem'

/** A Kubernetes name: what may stand in a SPIFFE path without ambiguity. */
const label = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/

export interface ServiceAccount {
  readonly namespace: string
  readonly serviceAccount: string
}

export type TokenVerdict =
  ({ readonly ok: true } & ServiceAccount) | { readonly ok: false; readonly reason: string }

export interface TokenRequest extends ServiceAccount {
  readonly ttlSeconds: number
  /** `istio-ca` unless a test wants another. */
  readonly audience?: string
}

export class BootstrapTokens {
  readonly #privateKey: KeyObject
  readonly #publicKey: KeyObject
  readonly #clock: Clock

  constructor(privateKey: KeyObject, clock: Clock) {
    this.#privateKey = privateKey
    this.#publicKey = createPublicKey(privateKey)
    this.#clock = clock
  }

  /** Loads `token-key.pem` of the state directory, or makes it; several processes starting at once agree on one key. */
  static async open(directory: string, clock: Clock): Promise<BootstrapTokens> {
    const path = join(directory, keyFile)
    let pem = await readPrivateFile(path)
    if (pem === null) {
      const fresh = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
      await createFile(path, fresh.export({ type: 'pkcs8', format: 'pem' }) as string)
      pem = (await readPrivateFile(path)) ?? ''
    }
    return new BootstrapTokens(readKey(pem, path), clock)
  }

  /** A compact JWS; `sub` is `system:serviceaccount:NS:SA`. */
  async issue(request: TokenRequest): Promise<string> {
    const { namespace, serviceAccount, ttlSeconds } = request
    if (!label.test(namespace) || !label.test(serviceAccount) || !(ttlSeconds > 0)) {
      throw new BootstrapTokenError(
        'ERR_JWT_TOKEN_CLAIMS',
        `no token for namespace "${namespace}", service account "${serviceAccount}", ${ttlSeconds} s`,
        'use Kubernetes names and a lifetime above 0 s',
      )
    }
    const now = Math.floor(this.#clock.now() / 1000)
    return new SignJWT()
      .setProtectedHeader({ alg: algorithm, typ: 'JWT' })
      .setIssuer(issuer)
      .setSubject(`system:serviceaccount:${namespace}:${serviceAccount}`)
      .setAudience(request.audience ?? bootstrapAudience)
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + Math.ceil(ttlSeconds))
      .sign(this.#privateKey)
  }

  /** A token of another key, algorithm, issuer or audience, expired or without expiry, is refused. */
  async verify(token: string): Promise<TokenVerdict> {
    let subject: string
    try {
      const { payload } = await jwtVerify(token, this.#publicKey, {
        algorithms: [algorithm],
        audience: bootstrapAudience,
        issuer,
        requiredClaims: ['exp', 'sub'],
        currentDate: new Date(this.#clock.now()),
        // Machines of one mesh may disagree by this much about the hour.
        clockTolerance: 5,
      })
      subject = payload.sub ?? ''
    } catch (error) {
      // jose's codes name the check that failed and hold nothing of the token.
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'ERR_UNKNOWN'
      return { ok: false, reason: `token refused: ${code}` }
    }
    const account = readSubject(subject)
    return account === null
      ? { ok: false, reason: 'token refused: sub is no service account' }
      : { ok: true, ...account }
  }
}

/** `system:serviceaccount:NS:SA`, exactly four parts (dataplane §6.3). */
export function readSubject(subject: string): ServiceAccount | null {
  const [system, kind, namespace, serviceAccount, ...more] = subject.split(':')
  if (system !== 'system' || kind !== 'serviceaccount' || more.length > 0) return null
  if (namespace === undefined || serviceAccount === undefined) return null
  if (!label.test(namespace) || !label.test(serviceAccount)) return null
  return { namespace, serviceAccount }
}

function readKey(pem: string, path: string): KeyObject {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key
  } catch {
    // Reported below, without what OpenSSL says about the content.
  }
  throw new BootstrapTokenError(
    'ERR_JWT_TOKEN_KEY',
    `${path} holds no P-256 private key`,
    'restore it, or remove it so that a new one is made and issue new tokens',
  )
}
