/**
 * The application behind every proxy, a process of its own: a raw socket responder that answers each request head with
 * the same kilobyte, and a sink that counts bytes. It is as cheap as can be and understands just what the bench sends.
 */
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { responseBody } from './response-body.ts'

export interface AppReady {
  readonly http: number
  readonly tcp: number
}

const headOf = (length: number): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${length}\r\n\r\n`
const answer = Buffer.from(headOf(responseBody.length) + responseBody, 'latin1')

/** `GET /headers` is answered with the head as it arrived: what a proxy added can be seen. */
const echoed = Buffer.from('GET /headers ')
const headEnd = Buffer.from('\r\n\r\n')

function serveHttp(socket: Socket): void {
  let waiting: Buffer = Buffer.alloc(0)
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    let bytes = waiting.length === 0 ? chunk : Buffer.concat([waiting, chunk])
    for (let end = bytes.indexOf(headEnd); end >= 0; end = bytes.indexOf(headEnd)) {
      if (bytes.subarray(0, echoed.length).equals(echoed)) {
        const head = bytes.subarray(0, end)
        socket.write(Buffer.concat([Buffer.from(headOf(head.length)), head]))
      } else socket.write(answer)
      bytes = bytes.subarray(end + 4)
    }
    waiting = bytes
  })
}

/** Reads to the end, then says how many bytes there were, as decimal text. */
function serveSink(socket: Socket): void {
  let count = 0
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => (count += chunk.length))
  socket.on('end', () => socket.end(String(count)))
}

async function listen(server: Server, address: string): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, address, 1024, resolve))
  return (server.address() as AddressInfo).port
}

const address = process.argv[2] ?? '127.0.0.1'
const ready: AppReady = {
  http: await listen(createServer(serveHttp), address),
  tcp: await listen(createServer({ allowHalfOpen: true }, serveSink), address),
}
process.send?.(ready)
process.on('disconnect', () => process.exit(0))
