import { test } from 'node:test'
import assert from 'node:assert/strict'
import { WatchStream, type TypeView } from '../../src/config-server/watch-stream.ts'
import type { DiscoveryResponse } from '../../src/proto/discovery-messages.ts'

function harness() {
  const views = new Map<string, string>([
    ['A', '1'],
    ['B', '1'],
  ])
  const sent: DiscoveryResponse[] = []
  const rejected: string[] = []
  let nonces = 0
  const stream = new WatchStream({
    view: (typeUrl): TypeView => ({ version: views.get(typeUrl) ?? 'empty', resources: [] }),
    send: (response) => sent.push(response),
    nonce: () => `n${(nonces += 1)}`,
    rejected: (typeUrl, version, reason) => rejected.push(`${typeUrl} ${version} ${reason}`),
    order: ['A', 'B'],
  })
  const request = (typeUrl: string, nonce = '', error: string | null = null) =>
    stream.request({
      type_url: typeUrl,
      response_nonce: nonce,
      version_info: '',
      node: null,
      resource_names: [],
      error_detail: error === null ? null : { code: 3, message: error },
    })
  const log = () => sent.splice(0).map((response) => `${response.type_url}${response.version_info}`)
  return { views, sent, rejected, stream, request, log }
}

test('a first request is answered, its acknowledgement is not', () => {
  const { request, log } = harness()
  request('A')
  assert.deepEqual(log(), ['A1'])
  request('A', 'n1')
  assert.deepEqual(log(), [])
})

test('a change goes to watched types that changed, in order', () => {
  const { views, stream, request, log } = harness()
  request('B')
  request('A')
  request('B', 'n1')
  request('A', 'n2')
  log()
  stream.changed()
  assert.deepEqual(log(), [])
  views.set('A', '2').set('B', '2')
  stream.changed()
  assert.deepEqual(log(), ['A2', 'B2'])
})

test('while a push is not acknowledged later ones are merged', () => {
  const { views, stream, request, log } = harness()
  request('A')
  log()
  views.set('A', '2')
  stream.changed()
  views.set('A', '3')
  stream.changed()
  assert.deepEqual(log(), [])
  request('A', 'n1')
  assert.deepEqual(log(), ['A3'])
  request('A', 'n2')
  assert.deepEqual(log(), [])
})

test('a refusal is told and nothing is sent again until the content changes', () => {
  const { views, stream, request, rejected, log } = harness()
  request('A')
  log()
  request('A', 'n1', 'no')
  assert.deepEqual(rejected, ['A 1 no'])
  stream.changed()
  assert.deepEqual(log(), [])
  views.set('A', '2')
  stream.changed()
  assert.deepEqual(log(), ['A2'])
})

test('stale nonces are ignored, unknown types get an empty list, too many types are too many', () => {
  const { request, rejected, log } = harness()
  request('A')
  request('A', 'old')
  request('A', 'old', 'no')
  request('Z')
  assert.deepEqual(log(), ['A1', 'Zempty'])
  assert.deepEqual(rejected, [])
  assert.ok(!Array.from({ length: 70 }, (_, at) => request(`T${at}`)).every(Boolean))
})
