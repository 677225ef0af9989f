/**
 * A real OpenID provider as a process of its own, told over IPC which key to sign with next.
 * It issues JWT access tokens for client credentials; nothing of the proxy runs in it.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
// @ts-expect-error: the package has no types.
import Provider from 'oidc-provider'
import { exportJWK, generateKeyPair } from 'jose'

const audience = 'https://api.test'

async function privateJwk(kid: string, alg: string): Promise<Record<string, unknown>> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  return { ...(await exportJWK(privateKey)), kid, alg, use: 'sig' }
}

let handler: ((...args: never[]) => void) | null = null
const server = createServer((request, response) => handler?.(request as never, response as never))
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

async function serve(kid: string, alg: string): Promise<void> {
  const provider = new Provider(issuer, {
    jwks: { keys: [await privateJwk(kid, alg)] },
    clients: [
      {
        client_id: 'client',
        client_secret: 'not-much-of-a-secret',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: alg,
      },
    ],
    scopes: ['read', 'write'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: () => ({
          scope: 'read write',
          audience,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg } },
        }),
      },
    },
  } as never)
  handler = provider.callback() as never
  process.send?.({ issuer, kid })
}

process.on('message', ({ kid, alg }: { kid: string; alg: string }) => void serve(kid, alg))
process.on('disconnect', () => process.exit(0))
await serve('first', 'RS256')
