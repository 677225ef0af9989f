/**
 * What an external authorizer is asked, and what its answer does to request and response: our data plane beside a real
 * Envoy, the same authorizers behind both. Run by hand: `ENVOY=/path/to/envoy npm run interop:authorizers`; it exits 1 when
 * the two differ in more than is listed here.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js'
import { loadProto } from '../../src/proto/load-proto.ts'
import { asking } from '../support/custom-mesh.ts'
import { Harness, inboundPort } from '../support/data-plane-harness.ts'
import { authorizingEnvoy, freePorts } from './authorizing-envoy.ts'
import type { Variant } from './authorizing-envoy.ts'

const binary = process.env['ENVOY']
if (binary === undefined) throw new Error('set ENVOY to the path of an Envoy')

const variants: readonly Variant[] = [
  { name: 'http', kind: 'http', settings: {} },
  {
    name: 'http, lists',
    kind: 'http',
    settings: {
      headersToUpstreamOnAllow: ['x-user', 'x-pre*', 'authorization'],
      headersToDownstreamOnAllow: ['x-trace', 'set-cookie'],
      headersToDownstreamOnDeny: ['x-why'],
      includeRequestHeadersInCheck: ['x-a*', 'content-type'],
      includeAdditionalHeadersInCheck: { 'x-fixed': 'f', 'x-a1': 'forced' },
      pathPrefix: '/pre',
    },
  },
  {
    name: 'http, body',
    kind: 'http',
    settings: { includeRequestBodyInCheck: { maxRequestBytes: 10, allowPartialMessage: true } },
  },
  {
    name: 'http, whole body',
    kind: 'http',
    settings: { includeRequestBodyInCheck: { maxRequestBytes: 10 } },
  },
  { name: 'http, away', kind: 'http', away: true, settings: { statusOnError: '503' } },
  { name: 'http, away, open', kind: 'http', away: true, settings: { failOpen: true } },
  { name: 'grpc', kind: 'grpc', settings: {} },
  {
    name: 'grpc, body',
    kind: 'grpc',
    settings: { includeRequestBodyInCheck: { maxRequestBytes: 10, allowPartialMessage: true } },
  },
  { name: 'grpc, away', kind: 'grpc', away: true, settings: {} },
]

const get = (path: string, fields = ''): string =>
  `GET ${path} HTTP/1.1\r\nhost: web.example\r\n${fields}\r\n`
const post = (body: string, fields = ''): string =>
  `POST /p HTTP/1.1\r\nhost: web.example\r\ncontent-length: ${body.length}\r\n${fields}\r\n${body}`
const chunked = (body: string): string =>
  `POST /p HTTP/1.1\r\nhost: web.example\r\ntransfer-encoding: chunked\r\n\r\n${body}0\r\n\r\n`
const call = get('/service/method', 'content-type: application/grpc\r\n')
const forged =
  'x-a1: 1\r\nx-a2: 2\r\nx-a2: 3\r\nx-b: b\r\nauthorization: Bearer t\r\nx-user: root\r\nx-prez: 1\r\n'

type Fields = Record<string, string | string[]>
const httpSays = (status: number, fields: Fields = {}, body = '') => ({ status, fields, body })
const httpCases: readonly [string, string, ReturnType<typeof httpSays>][] = [
  [
    'allow',
    get('/a/../b?x=1', `${forged}cookie: a=b\r\n`),
    httpSays(200, {
      'x-user': ['alice', 'bob'],
      'x-prefix': 'p',
      'x-trace': 'auth',
      'set-cookie': ['a=1', 'b=2'],
      'x-envoy-auth-headers-to-remove': 'cookie,x-b,nothing',
      'x-other': 'o',
    }),
  ],
  [
    '401',
    get('/'),
    httpSays(
      401,
      {
        'www-authenticate': 'Basic',
        'x-why': ['1', '2'],
        'x-other': 'o',
        'content-type': 'a/b',
        'set-cookie': ['a', 'b'],
      },
      '{}',
    ),
  ],
  ['302', get('/'), httpSays(302, { location: '/login', 'x-other': 'o' })],
  ['201', get('/'), httpSays(201, {}, 'made')],
  ['204', get('/'), httpSays(204)],
  ['304', get('/'), httpSays(304, { etag: '"x"' })],
  ['403 without a type', get('/'), httpSays(403, {}, 'plain')],
  ['HEAD', 'HEAD /x HTTP/1.1\r\nhost: web.example\r\n\r\n', httpSays(403)],
  ['500', get('/'), httpSays(500, { 'x-why': 'w' }, 'oops')],
  ['call denied', call, httpSays(401, { 'x-why': 'w' }, 'who?')],
  ['call, 500', call, httpSays(500, {}, 'oops')],
  ['hop by hop', get('/', 'te: trailers\r\nconnection: x-hop\r\nx-hop: 1\r\n'), httpSays(200)],
  ['WebSocket denied', get('/', 'connection: upgrade\r\nupgrade: websocket\r\n'), httpSays(403, {}, 'no')],
  ['absolute form', get('http://web.example/abs?q=1'), httpSays(200)],
  ['OPTIONS', 'OPTIONS /o HTTP/1.1\r\nhost: Web.Example:80\r\n\r\n', httpSays(200)],
  ['POST 5', post('hello', 'content-type: text/x\r\n'), httpSays(200)],
  ['POST 10', post('0123456789'), httpSays(200)],
  ['POST 15', post('0123456789abcde'), httpSays(200)],
  ['POST 15 denied', post('0123456789abcde'), httpSays(403, {}, 'no')],
  ['chunks of 3', chunked('3\r\nabc\r\n'), httpSays(200)],
  ['chunks of 12', chunked('6\r\nabcdef\r\n6\r\nghijkl\r\n'), httpSays(200)],
]

const field = (key: string, value: string, append?: boolean, action = 0) => ({
  header: { key, value },
  ...(append === undefined ? {} : { append: { value: append } }),
  append_action: action,
})
const ok = (answer: object) => ({ status: { code: 0 }, ok_response: answer })
const no = (answer: object) => ({ status: { code: 7 }, denied_response: answer })
const grpcCases: readonly [string, string, object | number][] = [
  [
    'allow',
    get('/a/../b?x=1&token=t', `${forged}x-m: 0\r\ncookie: a=b\r\n`),
    ok({
      headers: [field('x-user', 'alice'), field('x-m', '1'), field('x-m', '2'), field('x-b', 'c', false)],
      headers_to_remove: ['cookie', 'host', ':path'],
      query_parameters_to_remove: ['token', 'x'],
      query_parameters_to_set: [{ key: 'user', value: 'a%20b' }],
    }),
  ],
  ['nothing said', get('/'), {}],
  ...[undefined, true, false].flatMap((append) =>
    [0, 1, 2, 3].map((action): [string, string, object] => [
      `append ${append}, action ${action}`,
      get('/', 'x-have: old\r\n'),
      ok({
        headers: [field('x-have', 'new', append, action), field('x-lack', 'new', append, action)],
        response_headers_to_add: [
          field('x-trace', 'new', append, action),
          field('x-new', 'new', append, action),
        ],
      }),
    ]),
  ),
  ['denied', get('/'), { status: { code: 7, message: 'nope' } }],
  [
    'denied in full',
    get('/'),
    no({
      status: { code: 401 },
      body: Buffer.from('{}'),
      headers: [field('content-type', 'a/b'), field('set-cookie', 'a'), field('set-cookie', 'b')],
    }),
  ],
  ['denied without status', get('/'), no({ body: Buffer.from('b') })],
  ['denied with 200', get('/'), no({ status: { code: 200 }, body: Buffer.from('fine') })],
  [
    'call denied',
    call,
    no({ status: { code: 401 }, body: Buffer.from('ü %'), headers: [field('x-why', 'w')] }),
  ],
  [
    'call denied, own status',
    call,
    no({
      status: { code: 401 },
      body: Buffer.from('b'),
      headers: [field('grpc-status', '10'), field('grpc-message', 'own')],
    }),
  ],
  ['unknown code', get('/'), { status: { code: 99 } }],
  ['fails', get('/'), 13],
  ['POST 5', post('hello'), {}],
  ['POST 15', post('0123456789abcde'), {}],
  ['POST, no text', post('\xff\x00\xc3\xa9'), {}],
]

let seen: object[] = []
let asked: object[] = []
let httpAnswer = httpSays(200)
let grpcAnswer: object | number = {}

async function listening(answer: (got: object, response: ServerResponse) => void): Promise<number> {
  const server = createServer((request: IncomingMessage, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method, url, rawHeaders } = request
      answer(
        { method, url, headers: fieldsOf(rawHeaders), body: Buffer.concat(chunks).toString('latin1') },
        response,
      )
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const application = await listening((got, response) => {
  seen.push(got)
  response.setHeader('x-trace', 'app').end('app')
})
const http = await listening((got, response) => {
  asked.push(got)
  response.writeHead(httpAnswer.status, httpAnswer.fields).end(httpAnswer.body)
})
const server = new Server()
server.addService(loadProto('ext-authz.proto').service('envoy.service.auth.v3.Authorization'), {
  Check: ({ request }: ServerUnaryCall<Check, object>, reply: sendUnaryData<object>) => {
    asked.push(told(request))
    if (typeof grpcAnswer === 'number') reply({ code: grpcAnswer, details: 'no' })
    else reply(null, grpcAnswer)
  },
})
const grpc = await new Promise<number>((resolve, reject) => {
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
    error === null ? resolve(port) : reject(error),
  )
})

interface Check {
  readonly attributes: {
    readonly request: {
      readonly http: Readonly<Record<string, unknown>> & { readonly headers: readonly Field[] }
    }
  }
}
interface Field {
  readonly key: string
  readonly value: string
}

/**
 * Differences that are meant or mean nothing: fields that each proxy writes itself; `te`; the size of a body that is not
 * shown, which Envoy tells as 0; a cookie's several fields joined by a comma.
 */
const passedOver =
  /^(date|server|connection|keep-alive|transfer-encoding|content-length|te|user-agent|x-request-id|x-forwarded-proto|x-envoy-(?!auth-partial).*)$/

function fieldsOf(raw: readonly string[]): string[] {
  const fields: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase()
    if (!passedOver.test(name)) fields.push(`${name}: ${raw[i + 1]}`)
  }
  return fields.toSorted()
}

function told({ attributes }: Check): object {
  const { headers, ...rest } = attributes.request.http
  const shown = rest['body'] !== '' ? rest['size'] : 'not shown'
  return {
    ...rest,
    id: '',
    size: shown,
    headers: fieldsOf(headers.flatMap(({ key, value }) => [key, value])),
  }
}

function exchange(port: number, request: string): Promise<object> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.on('error', () => undefined)
    socket.setTimeout(1000, () => socket.destroy())
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    const [, head = ''] = /^([A-Z]+) /.exec(request) ?? []
    socket.on('data', () => {
      if (isWhole(text, head === 'HEAD')) socket.destroy()
    })
    socket.on('close', () => {
      const [top = '', ...rest] = text.split('\r\n\r\n')
      const [line = '', ...lines] = top.split('\r\n')
      const raw = lines.flatMap((one) => [
        one.slice(0, one.indexOf(':')),
        one.slice(one.indexOf(':') + 1).trim(),
      ])
      resolve({
        status: line.split(' ')[1],
        headers: fieldsOf(raw),
        body: rest.join('\r\n\r\n').replace(/^3\r\napp\r\n0\r\n\r\n$/, 'app'),
      })
    })
    socket.write(Buffer.from(request, 'latin1'))
  })
}

function isWhole(text: string, head: boolean): boolean {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return false
  if (head || /^HTTP\/1\.1 (?:204|304)/.test(text)) return true
  if (/transfer-encoding: chunked/i.test(text.slice(0, end))) return text.endsWith('\r\n0\r\n\r\n')
  // Without either it ends with the connection, or with our patience.
  const length = /content-length: (\d+)/i.exec(text.slice(0, end))?.[1]
  return length !== undefined && text.length >= end + 4 + Number(length)
}

const [dead = 0] = await freePorts(1)
const envoy = await authorizingEnvoy(binary, variants, { application, http, grpc, dead })
let [compared, different] = [0, 0]
for (const [i, { name, kind, away = false, settings }] of variants.entries()) {
  const ours = await Harness.start({ applications: [application] })
  const port = away ? dead : kind === 'http' ? http : grpc
  ours.apply({
    inboundPorts: [inboundPort(ours.port, 'http', 'PERMISSIVE')],
    ...asking({ kind, port, settings }),
  })
  for (const [what, request, answer] of kind === 'http' ? httpCases : grpcCases) {
    // That Envoy leaves the body out where an application does not upgrade is no authorizer's doing.
    if (what.startsWith('WebSocket') && settings.failOpen === true) continue
    if (kind === 'http') httpAnswer = answer as typeof httpAnswer
    else grpcAnswer = answer
    const results: string[][] = []
    for (const at of [envoy.ports[i] as number, ours.port]) {
      ;[asked, seen] = [[], []]
      const got = await exchange(at, request)
      results.push([got, asked, seen].map((part) => JSON.stringify(part)))
    }
    const [theirs = [], own = []] = results
    ;['client', 'authorizer', 'application'].forEach((who, part) => {
      compared += 1
      if (theirs[part] === own[part]) return
      different += 1
      process.stdout.write(`✗ ${name}: ${what}, ${who}\n    envoy ${theirs[part]}\n    ours  ${own[part]}\n`)
    })
  }
}
await envoy.stop()
process.stdout.write(`${compared} compared, ${different} different\n`)
process.exit(different === 0 ? 0 : 1)
