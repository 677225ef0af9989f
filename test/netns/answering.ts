/**
 * A program for a namespace: listens on the addresses given and answers each connection with one line of JSON that says who
 * answered, what the kernel says was dialled, and from where. It is a capture listener and an application alike.
 *
 * Arguments: NAME HOST:PORT...
 */
import { createServer } from 'node:net'
import { localAddress } from '../../src/dataplane/local-address.ts'
import { kernelOriginalDestination } from '../../src/dataplane/original-destination.ts'

export interface Answer {
  /** NAME:PORT of the listener. */
  readonly by: string
  readonly original: string | null
  readonly local: string
  readonly source: string
}

const [name, ...addresses] = process.argv.slice(2)
const original = kernelOriginalDestination()
const text = (address: { address: string; port: number } | null): string | null =>
  address === null ? null : `${address.address}:${address.port}`

let waiting = addresses.length
for (const address of addresses) {
  const colon = address.lastIndexOf(':')
  const port = Number(address.slice(colon + 1))
  createServer((socket) => {
    const answer: Answer = {
      by: `${name}:${port}`,
      original: text(original(socket)),
      local: text(localAddress(socket)) ?? '',
      source: socket.remoteAddress ?? '',
    }
    socket.on('error', () => undefined)
    socket.end(`${JSON.stringify(answer)}\n`)
  }).listen(port, address.slice(0, colon), () => {
    waiting -= 1
    if (waiting === 0) process.stdout.write('listening\n')
  })
}
