/** What requests are made of keeps its fields within itself, also when garbage was collected between the first few. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Exchange } from '../../src/dataplane/http/exchange.ts'
import { httpApplication } from '../support/applications.ts'
import { startPair } from '../support/sidecar-pair.ts'
import { dialWire } from '../support/wire-client.ts'

setFlagsFromString('--expose-gc')
setFlagsFromString('--allow-natives-syntax')
const collect = runInNewContext('gc') as () => void
const isFast = new Function('object', 'return %HasFastProperties(object)') as (object: object) => boolean

test(
  'few requests with collections between them leave no slow object behind',
  { timeout: 20_000 },
  async (t) => {
    const slow: string[] = []
    const onRequestEnd = Exchange.prototype.onRequestEnd
    Exchange.prototype.onRequestEnd = function (trailers) {
      for (const one of [this, this.downstream]) if (!isFast(one)) slow.push(one.constructor.name)
      onRequestEnd.call(this, trailers)
    }
    t.after(() => (Exchange.prototype.onRequestEnd = onRequestEnd))
    const application = await httpApplication(t)
    const pair = await startPair(t, application.port)
    for (let i = 0; i < 12; i += 1) {
      const peer = await dialWire(t, pair.outbound.proxy)
      peer.send('GET / HTTP/1.1\r\nhost: api.ns2\r\n\r\n')
      assert.equal((await peer.response()).status, 200)
      peer.stream.destroy()
      await new Promise((resolve) => setImmediate(resolve))
      collect()
    }
    assert.deepEqual(slow, [])
  },
)
