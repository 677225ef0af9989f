/** A bad file does no more than it must: noise is named and ignored, a misspelt policy shuts its own workload only. */
import { misspelt } from '../configuration/authorization-policies.ts'
import { eventually } from '../eventually.ts'
import { call } from '../http-call.ts'
import type { RunningMesh } from '../running-mesh.ts'
import { demoPorts } from '../topology.ts'
import { becomes, demand, effectMs, outcomeAs } from './check.ts'
import type { Check } from './check.ts'

const noise = 'noise.yaml'
const misspeltFile = 'misspelt.yaml'

export const noiseIsNamed: Check = {
  name: 'a file that is no YAML is quarantined by name; everything else serves on',
  async run(mesh) {
    const { frontend, backend } = mesh.topology
    await mesh.folder.edit(noise, 'kind: AuthorizationPolicy\n  spec: [ never closed\n\t"oops\n')
    try {
      const reason = await quarantined(mesh, noise)
      await becomes(() => outcomeAs(frontend, `http://${backend.shortName}/hello`), 200, 'the allowed call')
      return reason
    } finally {
      await mesh.folder.restore(noise)
    }
  },
}

export const misspeltPolicyFailsClosed: Check = {
  name: 'a policy with a misspelt field fails closed for its own workload, others serve on',
  async run(mesh) {
    const { frontend, backend, datastore } = mesh.topology
    const fromBackend = () => outcomeAs(backend, `http://${datastore.shortName}/hello`)
    await becomes(fromBackend, 200, 'photo-backend to datastore before')
    await mesh.folder.edit(misspeltFile, misspelt(datastore))
    const ms = await becomes(fromBackend, 403, 'photo-backend to datastore under the misspelt policy')
    const reason = await quarantined(mesh, misspeltFile)
    await becomes(() => outcomeAs(frontend, `http://${backend.shortName}/hello`), 200, 'the other call')
    await mesh.folder.restore(misspeltFile)
    await becomes(fromBackend, 200, 'photo-backend to datastore when the file is gone')
    return `closed after ${ms} ms: ${reason}`
  },
}

/** The reason the control plane gives for what it does not serve. */
async function quarantined({ topology }: RunningMesh, file: string): Promise<string> {
  const ask = async () => {
    const { body } = await call({
      address: topology.meshAddress,
      port: demoPorts.meshAdmin,
      path: '/status',
    })
    const { quarantine } = JSON.parse(body) as { quarantine: { origin: string; reason: string }[] }
    return quarantine
  }
  const { value } = await eventually(ask, (all) => all.some(({ origin }) => origin.includes(file)), effectMs)
  const found = value.find(({ origin }) => origin.includes(file))
  demand(found !== undefined, `${file} in quarantine`, JSON.stringify(value))
  return found?.reason ?? ''
}
