/**
 * What passes between two sidecars is TLS and nothing else: the tour stands in between and looks. That the look is a good
 * one is shown beside it: where TLS is switched off, the same tap reads all.
 */
import { withoutTls } from '../configuration/destination-rules.ts'
import { peerAuthentication } from '../configuration/peer-authentications.ts'
import { serviceEntry } from '../configuration/service-entries.ts'
import type { RunningMesh } from '../running-mesh.ts'
import { Tap } from '../tap.ts'
import { demoPorts } from '../topology.ts'
import { becomes, demand, momentMs, outcomeAs } from './check.ts'
import type { Check } from './check.ts'

const files = {
  tapped: 'tapped.yaml',
  plain: 'tapped-plain.yaml',
  backend: 'mtls-photo-backend.yaml',
} as const
const host = 'tapped.photo-ns.demo'
const marker = 'nobody-else-may-read-this'

export const wireIsEncrypted: Check = {
  name: 'mutual TLS on the wire: TLS records only, no plaintext between the sidecars',
  run: (mesh) =>
    withTap(mesh, async (tap) => {
      const echoed = { body: '' }
      await becomes(() => secretCall(mesh, echoed), 200, 'a call through the tap', momentMs)
      demand(echoed.body === marker, 'the application to have read the body', JSON.stringify(echoed.body))
      const { toServer, toClient } = tap.recording
      for (const [who, bytes] of [
        ['client', toServer],
        ['server', toClient],
      ] as const) {
        const start = bytes.subarray(0, 2).toString('hex')
        demand(start === '1603', `the ${who} to begin with a TLS handshake record, 1603`, start || 'nothing')
        demand(!bytes.includes(marker), `no plaintext from the ${who}`, `${marker} in the recording`)
        demand(!bytes.includes('HTTP/1'), `no HTTP from the ${who}`, 'HTTP/1 in the recording')
      }
      return `${toServer.length} + ${toClient.length} bytes seen, both begin 16 03`
    }),
}

export const tapReadsPlaintext: Check = {
  name: 'the proof is no accident: with TLS switched off by a DestinationRule the tap reads the secret',
  run: (mesh) =>
    withTap(mesh, async (tap) => {
      const { folder, topology } = mesh
      try {
        await folder.edit(files.backend, peerAuthentication(topology.backend, 'PERMISSIVE'))
        await folder.edit(files.plain, withoutTls('tapped', topology.backend.namespace, host))
        // Without TLS there is no identity, and without that no rule that allows.
        await becomes(() => secretCall(mesh), 403, 'a call through the tap without TLS', momentMs)
        const { toServer } = tap.recording
        demand(toServer.includes(marker), `${marker} in the recording`, `${toServer.length} other bytes`)
        return 'read in passing; and refused with 403 for want of an identity'
      } finally {
        await folder.restore(files.plain)
        await folder.restore(files.backend)
      }
    }),
}

async function withTap(mesh: RunningMesh, use: (tap: Tap) => Promise<string>): Promise<string> {
  const { backend, tapAddress } = mesh.topology
  const { namespace, serviceAccount, address } = backend
  const port = demoPorts.http
  const tap = await Tap.open({ address: tapAddress, port }, { address, port })
  try {
    const claim = { name: 'tapped', namespace, host, address: tapAddress, serviceAccount }
    await mesh.folder.edit(files.tapped, serviceEntry(claim))
    return await use(tap)
  } finally {
    await mesh.folder.restore(files.tapped)
    await tap.close()
  }
}

/** The marker in path, header and body. */
async function secretCall({ topology }: RunningMesh, into: { body: string } = { body: '' }) {
  const more = { method: 'POST', headers: { 'x-secret': marker }, body: marker }
  const seen = await outcomeAs(topology.frontend, `http://${host}/echo?${marker}`, more)
  into.body = seen.body
  return seen
}
