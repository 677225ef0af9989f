/** Frames made by hand, and a reader's calls as a list of words: what tests of the HTTP/2 codec compare. */
import { clientPreface } from '../../src/http2/frame.ts'
import { FrameReader } from '../../src/http2/frame-reader.ts'
import type { FrameHandler } from '../../src/http2/frame-reader.ts'

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

export const settings = frame(4, 0, 0)
export const preface = clientPreface

/** Everything a reader says; DATA pieces of one frame are joined, since how they are cut is the network's choice. */
export class Heard implements FrameHandler {
  readonly words: string[] = []
  #data = ''
  #flow = 0

  onData(stream: number, chunk: Buffer, flowBytes: number, end: boolean): void {
    this.#data += chunk.toString('latin1')
    this.#flow += flowBytes
    this.words.push(`data ${stream} ${end ? 'end' : 'more'}`)
  }

  onHeaderBlock(stream: number, block: Buffer, end: boolean): void {
    this.words.push(`headers ${stream} ${block.toString('hex')} ${end ? 'end' : 'more'}`)
  }

  onReset(stream: number, code: number): void {
    this.words.push(`reset ${stream} ${code}`)
  }

  onSetting(id: number, value: number): void {
    this.words.push(`setting ${id} ${value}`)
  }

  onSettingsEnd(): void {
    this.words.push('settings end')
  }

  onSettingsAck(): void {
    this.words.push('settings ack')
  }

  onPing(payload: Buffer, ack: boolean): void {
    this.words.push(`ping ${payload.toString('hex')} ${ack}`)
  }

  onGoAway(lastStream: number, code: number): void {
    this.words.push(`goaway ${lastStream} ${code}`)
  }

  onWindowUpdate(stream: number, increment: number): void {
    this.words.push(`window ${stream} ${increment}`)
  }

  onHalfClose(stream: number): void {
    this.words.push(`half-close ${stream}`)
  }

  onIgnored(): void {
    this.words.push('ignored')
  }

  get said(): { words: string[]; data: string; flow: number } {
    // A frame's pieces but the last are of the network's making.
    const words = this.words.filter(
      (word, i) => !(word.endsWith(' more') && this.words[i + 1]?.startsWith(word.slice(0, -5))),
    )
    return { words, data: this.#data, flow: this.#flow }
  }
}

export function read(bytes: Buffer, cuts: readonly number[] = [], role: 'client' | 'server' = 'server') {
  const heard = new Heard()
  const reader = new FrameReader(heard, role, 60 * 1024)
  let from = 0
  for (const to of [...cuts, bytes.length]) {
    if (to > from) reader.execute(bytes.subarray(from, to))
    from = Math.max(from, to)
  }
  return { ...heard.said, fault: reader.fault?.reason ?? null, busy: reader.busy }
}
