/** End-user tokens of an issuer that the tour plays itself: who brings a good one is served, the others read why not. */
import { allowBearers } from '../configuration/authorization-policies.ts'
import { believeIssuer } from '../configuration/request-authentications.ts'
import { fileNames } from '../configuration/starting-files.ts'
import type { RunningMesh } from '../running-mesh.ts'
import { TokenIssuer } from '../token-issuer.ts'
import { becomes, demand, momentMs, outcomeAs } from './check.ts'
import type { Check, Outcome } from './check.ts'
import { refusal } from './starting-policy.ts'

const file = 'tokens-photo-backend.yaml'
const issuerName = 'https://issuer.sallyport.demo'
/** Seconds; the skew that is forgiven is a minute. */
const hour = 3600

export const tokensAreVerified: Check = {
  name: "JWT: a token of the tour's own issuer gets 200; none, an expired and a forged one are refused word for word",
  async run(mesh) {
    const { folder, topology } = mesh
    const { backend } = topology
    const issuer = new TokenIssuer(issuerName)
    const forger = new TokenIssuer(issuerName)
    try {
      await folder.edit(file, believeIssuer(backend, issuer.name, issuer.jwks))
      await folder.edit(fileNames.backendPolicy, allowBearers(backend, issuer.name))
      const ms = await becomes(() => bearing(mesh, null), 403, 'no token where one is asked for')
      await becomes(() => bearing(mesh, issuer.issue('visitor', hour)), 200, 'a valid token', momentMs)
      const answers: readonly (readonly [string, string | null, number, string])[] = [
        ['no token', null, 403, refusal],
        ['an expired token', issuer.issue('visitor', -hour), 401, 'Jwt is expired'],
        ['a forged token', forger.issue('visitor', hour), 401, 'Jwt verification fails'],
        ['no token at all but text', 'nonsense', 401, notThreeParts],
      ]
      for (const [what, token, status, body] of answers) {
        const seen = await bearing(mesh, token)
        const wanted = `${status} ${JSON.stringify(body)} for ${what}`
        demand(seen.status === status && seen.body === body, wanted, seen.text)
      }
      return `in force ${ms} ms after the edit: 200, 403, 401 "Jwt is expired", 401 "Jwt verification fails"`
    } finally {
      await folder.restore(fileNames.backendPolicy)
      await folder.restore(file)
      await becomes(() => bearing(mesh, null), 200, 'no token after the edits were undone', momentMs)
    }
  },
}

const notThreeParts = 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'

function bearing({ topology }: RunningMesh, token: string | null): Promise<Outcome> {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` }
  return outcomeAs(topology.frontend, `http://${topology.backend.shortName}/hello`, { headers })
}
