/**
 * Makes a few of each object that requests are made of, before the first request. It serves nobody; see decision 0016.
 *
 * V8 decides after the first seven objects of a class how much room those to come have within themselves, by looking at
 * what those that live use. A proxy that answers three probes, is idle and collects its garbage has none that live, so the
 * eighth gets no room at all: its fields go into a hash table, and everything that touches them is slow for good.
 */
import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { RequestContext } from '../authz/request-context.ts'
import { defaultLimits } from '../http1/message.ts'
import { Http2Stream } from '../http2/stream.ts'
import type { Clock } from '../lifecycle/clock.ts'
import { AccessRecord } from '../telemetry/access-record.ts'
import { Connection } from './connection.ts'
import { ClientConnection } from './http/client-connection.ts'
import { Exchange } from './http/exchange.ts'
import { unreadableHead } from './http/refusal-text.ts'
import { ServerConnection } from './http/server-connection.ts'
import { defaultHttpDeadlines } from './http/server-options.ts'
import type { ServerOptions } from './http/server-options.ts'
import { Http2ClientConnection } from './http2/client-connection.ts'
import { ClientStream } from './http2/client-stream.ts'
import { Http2ServerConnection } from './http2/server-connection.ts'
import { ServerStream } from './http2/server-stream.ts'
import { OpenRequest } from './inbound/open-request.ts'
import { TimerWheel } from './timer-wheel.ts'

/** One more than V8 looks at. */
const enough = 8
/** One of each stays: while it lives, what V8 has learnt of the class is not collected. */
let kept: readonly unknown[] = []

export function settleShapes(): void {
  if (kept.length > 0) return
  const all = Array.from({ length: enough }, specimens)
  kept = all[0] ?? []
}

function specimens(): readonly unknown[] {
  const wheel = new TimerWheel(still)
  const options: ServerOptions = { ...nobody, wheel }
  const server = new ServerConnection(silence(), options, null)
  const client = new ClientConnection(silence(), info, defaultLimits, wheel, home, 0)
  const http2Server = new Http2ServerConnection(silence(), options, null)
  const http2Client = new Http2ClientConnection(
    silence(),
    info,
    { limits: defaultLimits, wheel, idleMs: 0 },
    home,
  )
  const exchange = new Exchange(server, unreadableHead, wheel)
  const context = new RequestContext('', '', '', '', [])
  const view = { ok: true, context, target: '', host: '', headers: [], requestId: '' } as const
  const open = new OpenRequest(exchange, view)
  const streams = [new Http2Stream(0, 0, 0), new Http2Stream(0, 0, 0)] as const
  const ends = [new ServerStream(http2Server, streams[0]), new ClientStream(http2Client, streams[1])]
  const connection = new Connection(0, 'inbound', new Socket(), nowhere, nowhere, 0)
  return [server, client, http2Server, http2Client, open, ends, connection, new AccessRecord()]
}

function silence(): Duplex {
  return new Duplex({ read: ignore, write: (_chunk, _encoding, done) => done() })
}

const ignore = (): void => undefined
const nowhere = { address: '0.0.0.0', port: 0 }
const info = { remoteAddress: '', localAddress: '', peer: null }
const never = { cancel: ignore }
const still: Clock = { now: () => 0, after: () => never, every: () => never, soon: () => never }
const home = {
  onIdle: ignore,
  onClosed: ignore,
  onKeepAlive: ignore,
  onRoom: ignore,
  onClosedToNew: ignore,
  onGone: ignore,
}
const nobody: Omit<ServerOptions, 'wheel'> = {
  limits: defaultLimits,
  deadlines: defaultHttpDeadlines,
  serverHeader: '',
  onRequest: ignore,
  onFinish: ignore,
  onClose: ignore,
  onFault: ignore,
}
