/** Two sessions of ours, byte for byte: what a whole exchange says on the wire and no more. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { defaultHttp2Limits } from '../../src/http2/frame.ts'
import { Http2Session } from '../../src/http2/session.ts'
import type { Http2Stream, StreamEvents } from '../../src/http2/stream.ts'

const quiet = { onGoAway: () => undefined, onRoom: () => undefined, onPong: () => undefined }
const deaf = { onReset: () => undefined, onHalfClose: () => undefined, onWritable: () => undefined }

test('a request that is answered and let go leaves no reset behind', () => {
  const server: Http2Session = new Http2Session('server', defaultHttp2Limits, {
    ...quiet,
    onStream(stream: Http2Stream) {
      stream.events = {
        ...deaf,
        onData: () => undefined,
        onFields() {
          server.headers(stream, [':status', '200'], false)
          server.data(stream, Buffer.from('body'), true)
        },
      } satisfies StreamEvents
    },
  })
  const client = new Http2Session('client', defaultHttp2Limits, { ...quiet, onStream: () => undefined })
  const talk = (): Buffer => {
    server.execute(client.out.take())
    const answer = server.out.take()
    client.execute(answer)
    return answer
  }
  talk()
  const asked = client.openStream() as Http2Stream
  let ended = false
  asked.events = {
    ...deaf,
    onFields: () => undefined,
    onData(_chunk, end) {
      ended = end
      // As its reader does when the response is whole.
      client.reset(asked, 8)
    },
  }
  client.headers(asked, [':method', 'GET', ':scheme', 'http', ':authority', 'a', ':path', '/'], true)
  talk()
  assert.equal(ended, true)
  assert.equal(client.out.take().toString('hex'), '')
  assert.deepEqual([client.open, server.open], [0, 0])
})
