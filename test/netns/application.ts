/**
 * A program for a namespace: the application beside a sidecar. HTTP on 8080 answers with what it saw of the request; TCP on
 * 9000 sends back every line with the address it came from.
 */
import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'

const http = createServer((request, response) => {
  request.setEncoding('utf8')
  let body = ''
  request.on('data', (chunk: string) => (body += chunk))
  request.on('end', () => {
    const { method, url, headers } = request
    response.end(JSON.stringify({ source: request.socket.remoteAddress, method, url, headers, body }))
  })
})
const tcp = createTcpServer((socket) => {
  socket.on('data', (chunk) => socket.write(`${socket.remoteAddress} ${chunk.toString()}`))
  socket.on('error', () => undefined)
})
http.listen(8080, '0.0.0.0', () => tcp.listen(9000, '0.0.0.0', () => process.stdout.write('listening\n')))
