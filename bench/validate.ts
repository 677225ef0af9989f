/**
 * Does a contender do the job at all? Right answers, mTLS 1.3 demanded, the header rule enforced, headers added where
 * promised, bytes carried. A proxy that fails a check is not measured: it would win by leaving work out.
 */
import { connect as connectTcp } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { createTestCa } from '../test/support/test-ca.ts'
import type { Contender, Target } from './contender.ts'
import { namespace, trustDomain } from './identities.ts'
import { responseBody } from './load/response-body.ts'
import type { ClientPair } from './load/window.ts'

interface Reply {
  readonly status: number
  readonly body: string
}

type Headers = Readonly<Record<string, string>>

const timeoutMs = 5000

export interface Findings {
  /** What is wrong, a line each. */
  readonly wrong: readonly string[]
  /** HTTP may be measured. */
  readonly http: boolean
  /** TCP may be measured. */
  readonly tcp: boolean
}

export async function validate(contender: Contender): Promise<Findings> {
  const stranger = await (await createTestCa({ trustDomain })).svid(namespace, 'client')
  const foreign: ClientPair = { certificate: stranger.certificateChain, key: stranger.privateKey }
  const checks: readonly (readonly [string, () => Promise<boolean>])[] = [
    ['the pair answers 200 and the right body', async () => right(await pair(contender, {}))],
    [
      'the pair refuses x-deny: 1 with 403',
      async () => (await pair(contender, { 'x-deny': '1' })).status === 403,
    ],
    ['x-deny: 2 passes', async () => right(await pair(contender, { 'x-deny': '2' }))],
    [
      'an mTLS client is answered over TLS 1.3',
      async () => right(await single(contender, contender.client, {})),
    ],
    [
      'an mTLS client with x-deny: 1 gets 403',
      async () => (await single(contender, contender.client, { 'x-deny': '1' })).status === 403,
    ],
    ['a client without certificate is refused', async () => refused(await single(contender, null, {}))],
    ['a client of a foreign authority is refused', async () => refused(await single(contender, foreign, {}))],
    ['plaintext into the inbound proxy is refused', async () => refused(await plaintext(contender))],
    ...(contender.settings === 'on'
      ? [['the application sees XFCC and a request id', () => seesHeaders(contender)] as const]
      : []),
  ]
  const wrong: string[] = []
  const run = async (what: string, check: () => Promise<boolean>): Promise<void> => {
    const outcome = await check().catch((error: Error) => error.message)
    if (outcome !== true) wrong.push(`${what}: ${outcome === false ? 'no' : outcome}`)
  }
  for (const [what, check] of checks) await run(what, check)
  const http = wrong.length === 0
  if (contender.pairTcp !== null) await run('opaque bytes pass through the pair', () => carries(contender))
  return { wrong, http, tcp: contender.pairTcp !== null && wrong.every((line) => !line.startsWith('opaque')) }
}

const right = ({ status, body }: Reply): boolean => status === 200 && body === responseBody

/** nginx refuses a missing certificate with a 400, the others within TLS; what counts is that nothing is served. */
const refused = ({ status }: Reply): boolean => status === 0 || status >= 400

const pair = async (contender: Contender, headers: Headers, path = '/check'): Promise<Reply> =>
  ask(await tcp(contender.pairHttp), contender.host, path, headers)

const plaintext = async (contender: Contender): Promise<Reply> =>
  ask(await tcp(contender.singleHttp), contender.host, '/check', {}).catch(() => nothing)

const nothing: Reply = { status: 0, body: '' }

async function single(contender: Contender, client: ClientPair | null, headers: Headers): Promise<Reply> {
  const socket = await new Promise<TLSSocket | null>((resolve) => {
    const tls = connectTls({
      host: contender.singleHttp.address,
      port: contender.singleHttp.port,
      servername: contender.serverName,
      rejectUnauthorized: false,
      ...(client !== null && { cert: client.certificate, key: client.key }),
    })
    tls.once('secureConnect', () => resolve(tls)).once('error', () => resolve(null))
  })
  if (socket === null) return nothing
  if (socket.getProtocol() !== 'TLSv1.3') throw new Error(`spoke ${socket.getProtocol()}`)
  return ask(socket, contender.host, '/check', headers).catch(() => nothing)
}

async function seesHeaders(contender: Contender): Promise<boolean> {
  const { body } = await pair(contender, {}, '/headers')
  return /^x-request-id: ..*$/im.test(body) && /^x-forwarded-client-cert: .*Hash=[0-9a-f]{40,64}/im.test(body)
}

async function carries({ pairTcp }: Contender): Promise<boolean> {
  if (pairTcp === null) return false
  const bytes = Buffer.alloc(3_000_000, 'x')
  const socket = await tcp(pairTcp)
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error('no bytes in time')))
  try {
    if (pairTcp.connect !== null) {
      socket.write(`CONNECT ${pairTcp.connect} HTTP/1.1\r\nhost: ${pairTcp.connect}\r\n\r\n`)
      const answer = await new Promise<Buffer>((resolve, reject) =>
        socket
          .once('data', resolve)
          .once('error', reject)
          .once('close', () => resolve(Buffer.alloc(0))),
      )
      if (!answer.toString('latin1').startsWith('HTTP/1.1 200'))
        throw new Error(`CONNECT: ${answer.toString('latin1').split('\r\n')[0]}`)
    }
    socket.end(bytes)
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    return text === String(bytes.length)
  } finally {
    socket.destroy()
  }
}

/** One request on a connected socket, closed by its answer; a socket that closes unanswered is status 0. */
async function ask(socket: Socket, host: string, path: string, headers: Headers): Promise<Reply> {
  const lines = Object.entries({ host, ...headers, connection: 'close' })
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error('no answer in time')))
  try {
    socket.write(`GET ${path} HTTP/1.1\r\n${lines.map((line) => line.join(': ')).join('\r\n')}\r\n\r\n`)
    let text = ''
    for await (const chunk of socket) text += (chunk as Buffer).toString('latin1')
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1] ?? 0)
    return { status, body: text.slice(text.indexOf('\r\n\r\n') + 4) }
  } finally {
    socket.destroy()
  }
}

async function tcp({ address, port }: Target): Promise<Socket> {
  const socket = connectTcp({ host: address, port, allowHalfOpen: true })
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return socket
}
