/** The policy the demo starts with does what it says: the one call is allowed, the other refused. */
import { becomes, demand, momentMs, outcomeAs, outcomeOf } from './check.ts'
import type { Check } from './check.ts'
import { demoPorts } from '../topology.ts'

export const allowedCallPasses: Check = {
  name: 'allowed: photo-frontend calls photo-backend and gets 200',
  async run({ topology }) {
    const { frontend, backend } = topology
    const { status, body, text } = await outcomeAs(frontend, `http://${backend.shortName}/hello`)
    demand(status === 200 && body.includes(`this is ${backend.name}`), '200 from photo-backend itself', text)
    return '200'
  },
}

export const chainPasses: Check = {
  name: 'allowed: a plain curl to the frontend goes through all three tiers',
  async run({ topology }) {
    const { frontend, datastore } = topology
    const target = { address: frontend.address, port: demoPorts.http, path: '/photos' }
    const { status, body, text } = await outcomeOf(target)
    demand(status === 200 && body.includes(`${datastore.name}: one photo`), '200 and the photo', text)
    return '200, 200, 200'
  },
}

export const refusal = 'RBAC: access denied'

export const forbiddenCallIsRefused: Check = {
  name: `forbidden: photo-frontend calls datastore and gets 403 "${refusal}"`,
  async run({ topology }) {
    const { frontend, datastore } = topology
    const { status, body, text } = await outcomeAs(frontend, `http://${datastore.shortName}/hello`)
    demand(status === 403 && body === refusal, `403 with exactly ${JSON.stringify(refusal)}`, text)
    return text
  },
}

export const strangersAreClosed: Check = {
  name: 'STRICT: plaintext to photo-backend is closed without an answer',
  async run({ topology }) {
    const target = { address: topology.backend.address, port: demoPorts.http, path: '/hello' }
    const ms = await becomes(() => outcomeOf(target), 0, 'plaintext to photo-backend', momentMs)
    return `closed in ${ms} ms`
  },
}
