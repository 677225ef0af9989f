/**
 * Tells a connection's first bytes apart without taking them: TLS or not, HTTP/1, HTTP/2 or opaque, within a deadline.
 * Every byte read is handed back to the socket before the answer; what to do with the answer is `filter-chain.ts`.
 */
import type { Duplex } from 'node:stream'
import type { Clock } from '../lifecycle/clock.ts'
import { peekClientHello } from '../wire/client-hello.ts'
import { peekHttp } from '../wire/http-preface.ts'
import type { Sniffed } from './filter-chain.ts'

export interface ClassifyOptions {
  readonly tls: boolean
  readonly http: boolean
  /** Milliseconds to wait for enough bytes; 0 = as long as the socket lives. */
  readonly deadlineMs: number
  readonly clock: Clock
}

export type Classified =
  | {
      readonly kind: 'known'
      /** null: not TLS, or not asked. */
      readonly hello: { readonly sni: string | null; readonly alpn: readonly string[] } | null
      readonly http: Sniffed
      /** True when the deadline decided: what was undecided counts as not TLS and not HTTP. */
      readonly timedOut: boolean
    }
  /** The peer ended or broke the connection before it said anything: there is nobody to serve (dataplane §3.5). */
  | { readonly kind: 'gone' }
  /** The peer goes on without ever saying what it speaks: refuse it. */
  | { readonly kind: 'endless' }

/**
 * Bytes looked at, the same ones again with each packet: 2 MiB are some ms of work, and a request line or ClientHello
 * in packets of usual size needs less. A peer that sends one byte a packet gets 2 KiB.
 */
const mostLookedAt = 2 * 1024 * 1024
const mostBytes = 64 * 1024

type Stage = 'tls' | 'http' | 'done'

/** Calls `done` once. The socket must be paused and unread; it is paused again, its bytes back in place, afterwards. */
export function classify(socket: Duplex, options: ClassifyOptions, done: (result: Classified) => void): void {
  let bytes: Buffer | null = null
  let lookedAt = 0
  let exhausted = false
  let stage: Stage = options.tls ? 'tls' : options.http ? 'http' : 'done'
  if (stage === 'done') {
    done({ kind: 'known', hello: null, http: 'not-http', timedOut: false })
    return
  }
  const timer =
    options.deadlineMs > 0
      ? options.clock.after(options.deadlineMs, () => settle(known('not-http', true)))
      : null

  const onReadable = (): void => {
    // Readable without anything to read: the peer has ended its side. What it said is all it will say, and must be put
    // back before the end is read.
    if (socket.readableLength === 0 && bytes !== null) {
      settle(known('not-http', false))
      return
    }
    const chunk = socket.read() as Buffer | null
    if (chunk === null) return
    bytes = bytes === null ? chunk : Buffer.concat([bytes, chunk])
    lookedAt += bytes.length
    if (lookedAt > mostLookedAt || bytes.length > mostBytes) exhausted = true
    look(bytes)
    if (exhausted) settle({ kind: 'endless' })
  }
  const look = (bytes: Buffer): void => {
    if (stage === 'tls') {
      const peek = peekClientHello(bytes)
      if (peek.kind === 'client-hello') {
        settle({
          kind: 'known',
          hello: { sni: peek.sni, alpn: peek.alpn },
          http: 'not-http',
          timedOut: false,
        })
        return
      }
      if (peek.kind === 'need-more') return
      if (!options.http) {
        settle(known('not-http', false))
        return
      }
      stage = 'http'
    }
    const http = peekHttp(bytes)
    if (http !== 'need-more') settle(known(http, false))
  }
  const onGone = (): void => settle({ kind: 'gone' })

  const settle = (result: Classified): void => {
    if (stage === 'done') return
    stage = 'done'
    timer?.cancel()
    socket.off('readable', onReadable)
    socket.off('end', onGone)
    socket.off('close', onGone)
    if (result.kind === 'known') {
      socket.pause()
      if (bytes !== null) socket.unshift(bytes)
    }
    // The stream forgets its last `readable` listener one tick later and would then resume a socket that whoever comes
    // next had paused: answer after that.
    process.nextTick(done, result)
  }

  socket.on('readable', onReadable)
  socket.on('end', onGone)
  socket.on('close', onGone)
}

function known(http: Sniffed, timedOut: boolean): Classified {
  return { kind: 'known', hello: null, http, timedOut }
}
