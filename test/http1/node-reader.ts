/**
 * Reads bytes with the parser inside node:http (llhttp, strict), as the second opinion of the differential test. It
 * reports what that parser framed and leaves out what node:http adds on top.
 */
import { createRequire } from 'node:module'
import { bytes } from './transcript.ts'

export interface NodeMessage {
  /** '' on the response side. */
  method: string
  /** Target or reason phrase. */
  text: string
  status: number
  headers: string[]
  body: string
  trailers: string[]
  ended: boolean
  upgrade: boolean
}

export interface NodeReading {
  readonly messages: NodeMessage[]
  /** The code of llhttp's error, or null. */
  error: string | null
}

interface Parser {
  [callback: number]: unknown
  initialize(type: number, resource: object): void
  execute(chunk: Buffer): number | (Error & { code: string })
  finish(): undefined | (Error & { code: string })
  close(): void
}

const { HTTPParser, methods } = createRequire(import.meta.url)('_http_common') as {
  HTTPParser: { new (): Parser } & Record<string, number>
  methods: string[]
}

/** The methods node:http knows; it refuses all others. */
export const nodeMethods = new Set(methods)

/** `requested` are the methods being answered; absent on the request side. */
export function readWithNode(wire: string, requested: readonly string[] | null): NodeReading {
  const reading: NodeReading = { messages: [], error: null }
  const parser = new HTTPParser()
  parser.initialize((requested === null ? HTTPParser.REQUEST : HTTPParser.RESPONSE) as number, {})
  // What came before its head or end was complete; the parser flushes long heads and trailers so.
  let pending: string[] = []
  let pendingUrl = ''
  let finals = 0
  const open = (): NodeMessage => reading.messages.at(-1) as NodeMessage
  parser[HTTPParser.kOnHeaders as number] = (headers: string[], url: string) => {
    pending.push(...headers)
    pendingUrl += url
  }
  parser[HTTPParser.kOnHeadersComplete as number] = (
    _major: number,
    _minor: number,
    headers: string[] | undefined,
    method: number,
    url: string | undefined,
    status: number,
    reason: string,
    upgrade: boolean,
  ) => {
    const list = (headers ?? pending).map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text))
    pending = []
    reading.messages.push({
      method: requested === null ? (methods[method] as string) : '',
      text: requested === null ? (url ?? pendingUrl) : reason,
      status: status ?? 0,
      headers: list,
      body: '',
      trailers: [],
      ended: false,
      upgrade,
    })
    pendingUrl = ''
    if (requested === null) return upgrade ? 2 : 0
    if (status < 200) return 0
    const answered = requested[finals++]
    return answered === 'HEAD' ? 1 : answered === 'CONNECT' ? 2 : 0
  }
  parser[HTTPParser.kOnBody as number] = (chunk: Buffer) => {
    open().body += chunk.toString('latin1')
  }
  parser[HTTPParser.kOnMessageComplete as number] = () => {
    open().ended = true
    open().trailers = pending.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text))
    pending = []
    pendingUrl = ''
  }
  const whole = bytes(wire)
  const result = parser.execute(whole)
  if (typeof result !== 'number') reading.error = result.code
  else if (result === whole.length) reading.error = parser.finish()?.code ?? null
  parser.close()
  return reading
}
