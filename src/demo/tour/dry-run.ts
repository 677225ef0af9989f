/** A DENY that is only tried: nobody is refused, and the access log says who would have been. */
import { rehearsal, rehearseDeny } from '../configuration/authorization-policies.ts'
import { eventually } from '../eventually.ts'
import { demand, momentMs, outcomeAs } from './check.ts'
import type { Check } from './check.ts'

const file = 'rehearsal.yaml'
const path = '/rehearsed'

export const dryRunIsNoted: Check = {
  name: 'dry run: a DENY that is only tried refuses nobody, and the access log says whom it would have refused',
  async run(mesh) {
    const { frontend, backend } = mesh.topology
    await mesh.folder.edit(file, rehearseDeny(backend, [path]))
    try {
      const ask = async () => {
        const seen = await outcomeAs(frontend, `http://${backend.shortName}${path}`)
        demand(seen.status === 200, '200 all along', seen.text)
        return mesh.log(backend).filter((line) => line.path === path && (line.shadow ?? '') !== '')
      }
      const { value } = await eventually(ask, (lines) => lines.length > 0, momentMs)
      const { shadow, response_code: status } = value[0] ?? { shadow: 'none', response_code: 0 }
      const wanted = `deny:denied:ns[${backend.namespace}]-policy[${rehearsal(backend)}]-rule[0]`
      demand(
        shadow === wanted && status === 200,
        `200 with shadow ${wanted}`,
        `${status} with shadow ${shadow}`,
      )
      return `200, shadow ${shadow}`
    } finally {
      await mesh.folder.restore(file)
    }
  },
}
