/** What is no HTTP goes through the mesh as well, whole, and under policy. */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { demoPorts } from '../topology.ts'
import type { Tier } from '../topology.ts'
import { demand } from './check.ts'
import type { Check } from './check.ts'

const size = 256 * 1024
const patienceMs = 5000

export const tcpIsCarried: Check = {
  name: 'TCP: photo-backend gets its bytes back from datastore; photo-frontend is cut off',
  async run({ topology }) {
    const { frontend, backend, datastore } = topology
    const sent = randomBytes(size)
    const echoed = await exchange(backend, datastore, sent)
    demand(echoed.equals(sent), `${size} bytes back unchanged`, `${echoed.length} bytes`)
    const stolen = await exchange(frontend, datastore, sent)
    demand(stolen.length === 0, 'no byte for photo-frontend', `${stolen.length} bytes`)
    return `${size} bytes there and back, 0 bytes for photo-frontend`
  },
}

/** CONNECT through the caller's sidecar, write everything, end, read to the end; what was read so far if it is cut. */
function exchange(from: Tier, to: Tier, sent: Buffer): Promise<Buffer> {
  const target = `${to.hostname}:${demoPorts.serviceEcho}`
  return new Promise((resolve, reject) => {
    const socket = connect({ host: from.address, port: demoPorts.outbound, allowHalfOpen: true })
    const received: Buffer[] = []
    let open = false
    socket.setTimeout(patienceMs, () => socket.destroy(new Error('no end of the echo')))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!['ECONNRESET', 'EPIPE'].includes(error.code ?? '')) reject(error)
    })
    socket.on('close', () => resolve(Buffer.concat(received)))
    socket.on('data', (chunk: Buffer) => {
      received.push(chunk)
      if (open) return
      const all = Buffer.concat(received)
      const end = all.indexOf('\r\n\r\n')
      if (end < 0) return
      const status = all.subarray(0, all.indexOf('\r\n')).toString('latin1')
      if (!/^HTTP\/1\.1 200 /.test(status))
        return void socket.destroy(new Error(`CONNECT answered ${status}`))
      open = true
      received.splice(0, received.length, all.subarray(end + 4))
      socket.end(sent)
    })
    socket.on('end', () => socket.end())
    socket.write(`CONNECT ${target} HTTP/1.1\r\nhost: ${target}\r\n\r\n`)
  })
}
