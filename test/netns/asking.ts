/**
 * A program for a namespace: dials one address and prints what it is answered, or the code of the error. Arguments: HOST PORT
 * and, to dial from a certain address of the namespace, SOURCE.
 */
import { connect } from 'node:net'

const [host, port, source] = process.argv.slice(2)
const socket = connect({
  host: host ?? '',
  port: Number(port),
  ...(source === undefined ? {} : { localAddress: source }),
})
socket.setTimeout(5000, () => socket.destroy(Object.assign(new Error('no answer'), { code: 'TIMEOUT' })))
socket.on('data', (chunk) => process.stdout.write(chunk))
socket.on('error', (error: NodeJS.ErrnoException) =>
  process.stdout.write(JSON.stringify({ by: error.code ?? error.message })),
)
