/** A server with a good certificate of the wrong name is not spoken to: no byte of the request reaches it. */
import { serviceEntry } from '../configuration/service-entries.ts'
import { eventually } from '../eventually.ts'
import { becomes, demand, momentMs, outcomeAs } from './check.ts'
import type { Check } from './check.ts'

const file = 'impostor.yaml'
const host = 'impostor.photo-ns.demo'

export const wrongIdentityIsRefused: Check = {
  name: 'secure naming: datastore in place of photo-backend is refused with 503 UF',
  async run(mesh) {
    const { frontend, backend, datastore } = mesh.topology
    const { namespace, serviceAccount } = backend
    const { address } = datastore
    await mesh.folder.edit(file, serviceEntry({ name: 'impostor', namespace, host, address, serviceAccount }))
    try {
      await becomes(
        () => outcomeAs(frontend, `http://${host}/hello`),
        503,
        'a call to the impostor',
        momentMs,
      )
      const ask = () =>
        mesh.log(frontend).filter((line) => line.authority === host && line.response_code === 503)
      const { value } = await eventually(ask, (lines) => lines.length > 0, momentMs)
      const line = value[0]
      const flag = line?.response_flags ?? 'none'
      const reason = line?.upstream_transport_failure_reason ?? 'none'
      demand(flag === 'UF', 'response flag UF in the access log', flag)
      demand(reason.startsWith('name_mismatch'), 'failure reason name_mismatch', reason)
      demand(reason.includes(backend.identity) && reason.includes(datastore.identity), 'both names', reason)
      const reached = mesh.log(datastore).filter((seen) => seen.authority === host)
      demand(reached.length === 0, 'no request at datastore', `${reached.length} requests`)
      return '503, UF, name_mismatch'
    } finally {
      await mesh.folder.restore(file)
    }
  },
}
