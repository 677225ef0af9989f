/** What passes between two sidecars is TLS and nothing else: the tour stands in between and looks. */
import { serviceEntry } from '../configuration/service-entries.ts'
import { Tap } from '../tap.ts'
import { demoPorts } from '../topology.ts'
import { becomes, demand, momentMs, outcomeAs } from './check.ts'
import type { Check } from './check.ts'

const file = 'tapped.yaml'
const host = 'tapped.photo-ns.demo'
const marker = 'nobody-else-may-read-this'

export const wireIsEncrypted: Check = {
  name: 'mutual TLS on the wire: TLS records only, no plaintext between the sidecars',
  async run({ topology, folder }) {
    const { frontend, backend, tapAddress } = topology
    const port = demoPorts.http
    const tap = await Tap.open({ address: tapAddress, port }, { address: backend.address, port })
    try {
      const { namespace, serviceAccount } = backend
      await folder.edit(
        file,
        serviceEntry({ name: 'tapped', namespace, host, address: tapAddress, serviceAccount }),
      )
      let body = ''
      const ask = async () => {
        const more = { method: 'POST', headers: { 'x-secret': marker }, body: marker }
        const seen = await outcomeAs(frontend, `http://${host}/echo?${marker}`, more)
        body = seen.body
        return seen
      }
      await becomes(ask, 200, 'a call through the tap', momentMs)
      demand(body === marker, 'the application to have read the body', JSON.stringify(body))
      const { toServer, toClient } = tap.recording
      for (const [who, bytes] of [
        ['client', toServer],
        ['server', toClient],
      ] as const) {
        const start = bytes.subarray(0, 2).toString('hex')
        demand(start === '1603', `the ${who} to begin with a TLS handshake record, 1603`, start)
        demand(!bytes.includes(marker), `no plaintext from the ${who}`, `${marker} in the recording`)
        demand(!bytes.includes('HTTP/1'), `no HTTP from the ${who}`, 'HTTP/1 in the recording')
      }
      return `${toServer.length} + ${toClient.length} bytes seen, both begin 16 03`
    } finally {
      await folder.restore(file)
      await tap.close()
    }
  },
}
