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
  /** The peer ended or broke the connection before it said enough: there is nobody to serve (dataplane §3.5). */
  | { readonly kind: 'gone' }

type Stage = 'tls' | 'http' | 'done'

/** Calls `done` once. The socket must be paused and unread; it is paused again, its bytes back in place, afterwards. */
export function classify(socket: Duplex, options: ClassifyOptions, done: (result: Classified) => void): void {
  let bytes: Buffer | null = null
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
    const chunk = socket.read() as Buffer | null
    if (chunk === null) return
    bytes = bytes === null ? chunk : Buffer.concat([bytes, chunk])
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
