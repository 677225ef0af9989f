/**
 * A program for a namespace: a plain client that knows of no proxy. `http URL HOST [METHOD [BODY]]` prints the status and body as
 * JSON; `tcp HOST PORT TEXT` prints what comes back first. Either prints an error's code when there is none.
 */
import { request } from 'node:http'
import { connect } from 'node:net'

const [protocol, ...rest] = process.argv.slice(2)
const print = (value: object): void => void process.stdout.write(JSON.stringify(value))

if (protocol === 'http') {
  const [url = '', host = '', method = 'GET', body = ''] = rest
  const call = request(
    url,
    { method, headers: { host, 'content-length': Buffer.byteLength(body) }, agent: false },
    (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('end', () => print({ status: response.statusCode, body: text }))
    },
  )
  call.setTimeout(10_000, () => call.destroy(Object.assign(new Error('no answer'), { code: 'TIMEOUT' })))
  call.on('error', (error: NodeJS.ErrnoException) => print({ error: error.code ?? error.message }))
  call.end(body)
} else {
  const [host = '', port = '', text = ''] = rest
  const socket = connect(Number(port), host, () => socket.write(text))
  let answered = false
  socket.setTimeout(10_000, () => socket.destroy(Object.assign(new Error('no answer'), { code: 'TIMEOUT' })))
  socket.on('data', (chunk) => {
    answered = true
    print({ body: chunk.toString() })
    socket.destroy()
  })
  socket.on('end', () => {
    if (!answered) print({ error: 'CLOSED' })
    answered = true
  })
  socket.on('error', (error: NodeJS.ErrnoException) => print({ error: error.code ?? error.message }))
}
