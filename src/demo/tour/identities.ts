/** Everybody is who the certificate says, and each side learns the other's name. */
import { eventually } from '../eventually.ts'
import { call, callAs } from '../http-call.ts'
import type { RunningMesh } from '../running-mesh.ts'
import { demoPorts } from '../topology.ts'
import type { Tier } from '../topology.ts'
import { CheckFailed, demand, momentMs } from './check.ts'
import type { Check } from './check.ts'

export const certificatesNameTheirWorkload: Check = {
  name: 'every sidecar holds the certificate of its own service account',
  async run({ topology }) {
    for (const tier of topology.tiers) {
      const { names } = await certificateOf(tier)
      demand(names === `URI:${tier.identity}`, `URI:${tier.identity}`, names)
    }
    return `${topology.tiers.length} SPIFFE identities`
  },
}

export const bothSidesKnowEachOther: Check = {
  name: 'identities: the server learns the caller, the caller verified the server',
  async run(mesh) {
    const { frontend, backend } = mesh.topology
    const { status, body } = await callAs(frontend, `http://${backend.shortName}/whoami`)
    demand(status === 200, 'status 200 from /whoami', `${status} ${body}`)
    const told = String((JSON.parse(body) as Record<string, unknown>)['x-forwarded-client-cert'])
    for (const part of [`By=${backend.identity}`, `URI=${frontend.identity}`])
      demand(told.split(';').includes(part), `x-forwarded-client-cert with ${part}`, told)
    demand(!told.includes(','), 'one element in x-forwarded-client-cert', told)
    await logged(mesh, frontend, 'outbound', backend.identity)
    await logged(mesh, backend, 'inbound', frontend.identity)
    return `URI=${frontend.identity}`
  },
}

/** The access log of a tier names this peer for the call to /whoami. */
async function logged(
  mesh: RunningMesh,
  tier: Tier,
  direction: 'inbound' | 'outbound',
  peer: string,
): Promise<void> {
  const ask = () =>
    mesh.log(tier).filter((line) => line.direction === direction && line.path?.endsWith('/whoami') === true)
  const { value } = await eventually(ask, (lines) => lines.length > 0, momentMs)
  const seen = value.map((line) => line.peer_principal ?? 'nobody').join(', ')
  demand(
    value.at(-1)?.peer_principal === peer,
    `${tier.name}'s access log to name ${peer}`,
    seen || 'no line',
  )
}

export interface ShownCertificate {
  /** `URI:spiffe://...` */
  readonly names: string
  readonly serial: string
}

/** The certificate in force, as the admin page of a sidecar shows it. */
export async function certificateOf({ address, name }: Tier): Promise<ShownCertificate> {
  const { status, body } = await call({ address, port: demoPorts.admin, path: '/certs' })
  demand(status === 200, `status 200 from /certs of ${name}`, `${status} ${body}`)
  const shown = JSON.parse(body) as {
    certificate: { subject_alt_name: string; serial: string }[] | null
  }
  const leaf = shown.certificate?.[0]
  if (leaf === undefined) throw new CheckFailed(`a certificate of ${name}`, 'none')
  return { names: leaf.subject_alt_name, serial: leaf.serial }
}
