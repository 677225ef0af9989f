/** The frame reader: every cut of a stream reads the same, and what RFC 9113 §4 and §6 forbid ends the connection. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { frame, preface, read, settings } from './frames.ts'

const body = Buffer.from('hello, body')
const padded = Buffer.concat([Buffer.from([4]), body, Buffer.alloc(4)])
const conversation = Buffer.concat([
  preface,
  frame(4, 0, 0, Buffer.from('000300000064', 'hex')),
  frame(4, 1, 0),
  frame(1, 4, 1, Buffer.from('8286', 'hex')),
  frame(0, 0, 1, body),
  frame(0, 8, 1, padded),
  frame(0, 1, 1),
  frame(1, 0, 3, Buffer.from('82', 'hex')),
  frame(9, 0, 3, Buffer.from('86', 'hex')),
  frame(9, 4, 3, Buffer.from('84', 'hex')),
  frame(
    1,
    1 | 4 | 8 | 32,
    5,
    Buffer.concat([Buffer.from([3]), Buffer.alloc(5), Buffer.from('8286', 'hex'), Buffer.alloc(3)]),
  ),
  frame(3, 0, 3, Buffer.from('00000008', 'hex')),
  frame(6, 0, 0, Buffer.from('0102030405060708', 'hex')),
  frame(8, 0, 0, Buffer.from('00000400', 'hex')),
  frame(2, 0, 5, Buffer.alloc(5)),
  frame(0xbe, 0xff, 9, Buffer.from('whatever')),
  frame(7, 0, 0, Buffer.from('0000000500000000', 'hex')),
])

test('a conversation is read frame by frame', () => {
  assert.deepEqual(read(conversation), {
    words: [
      'setting 3 100',
      'settings end',
      'settings ack',
      'headers 1 8286 more',
      'data 1 end',
      'headers 3 828684 more',
      'headers 5 8286 end',
      'reset 3 8',
      'ping 0102030405060708 false',
      'window 0 1024',
      'ignored',
      'ignored',
      'goaway 5 0',
    ],
    data: 'hello, bodyhello, body',
    flow: body.length * 2 + 5,
    fault: null,
    busy: false,
  })
})

test('every single cut, and every byte by itself, reads the same', () => {
  const whole = read(conversation)
  for (let cut = 1; cut < conversation.length; cut++)
    assert.deepEqual(read(conversation, [cut]), whole, `cut at ${cut}`)
  assert.deepEqual(
    read(
      conversation,
      Array.from({ length: conversation.length }, (_, i) => i),
    ),
    whole,
  )
})

test('a reader in the middle of something says that it waits, but not for a body', () => {
  assert.equal(read(preface.subarray(0, 5)).busy, true)
  assert.equal(read(Buffer.concat([preface, settings])).busy, false)
  assert.equal(read(Buffer.concat([preface, settings, frame(1, 0, 1, Buffer.from('82', 'hex'))])).busy, true)
  assert.equal(read(Buffer.concat([preface, settings, Buffer.from([0, 0])])).busy, true)
  const data = frame(0, 0, 1, body)
  assert.equal(read(Buffer.concat([preface, settings, data.subarray(0, data.length - 2)])).busy, false)
})

const start = Buffer.concat([preface, settings])
const refused: readonly (readonly [string, Buffer, string])[] = [
  ['an HTTP/1.1 request instead of the preface', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'bad_preface'],
  [
    'a preface wrong in its last byte',
    Buffer.concat([preface.subarray(0, 23), Buffer.from('x')]),
    'bad_preface',
  ],
  [
    'anything before SETTINGS',
    Buffer.concat([preface, frame(6, 0, 0, Buffer.alloc(8))]),
    'settings_not_first',
  ],
  ['an acknowledgement before SETTINGS', Buffer.concat([preface, frame(4, 1, 0)]), 'settings_not_first'],
  [
    'a frame larger than 16 KiB',
    Buffer.concat([start, frame(0, 0, 1, Buffer.alloc(16_385))]),
    'frame_too_large',
  ],
  ['DATA for no stream', Buffer.concat([start, frame(0, 0, 0)]), 'wrong_stream_for_frame'],
  ['HEADERS for no stream', Buffer.concat([start, frame(1, 4, 0)]), 'wrong_stream_for_frame'],
  [
    'RST_STREAM for no stream',
    Buffer.concat([start, frame(3, 0, 0, Buffer.alloc(4))]),
    'wrong_stream_for_frame',
  ],
  ['SETTINGS for a stream', Buffer.concat([start, frame(4, 0, 1)]), 'wrong_stream_for_frame'],
  ['PING for a stream', Buffer.concat([start, frame(6, 0, 1, Buffer.alloc(8))]), 'wrong_stream_for_frame'],
  ['GOAWAY for a stream', Buffer.concat([start, frame(7, 0, 1, Buffer.alloc(8))]), 'wrong_stream_for_frame'],
  ['PUSH_PROMISE', Buffer.concat([start, frame(5, 4, 1, Buffer.alloc(4))]), 'push_not_enabled'],
  ['SETTINGS of odd size', Buffer.concat([start, frame(4, 0, 0, Buffer.alloc(5))]), 'bad_settings_size'],
  [
    'an acknowledgement with content',
    Buffer.concat([start, frame(4, 1, 0, Buffer.alloc(6))]),
    'settings_ack_with_payload',
  ],
  ['PING of seven bytes', Buffer.concat([start, frame(6, 0, 0, Buffer.alloc(7))]), 'bad_ping_size'],
  ['RST_STREAM of five bytes', Buffer.concat([start, frame(3, 0, 1, Buffer.alloc(5))]), 'bad_reset_size'],
  [
    'WINDOW_UPDATE of three bytes',
    Buffer.concat([start, frame(8, 0, 1, Buffer.alloc(3))]),
    'bad_window_update_size',
  ],
  ['PRIORITY of four bytes', Buffer.concat([start, frame(2, 0, 1, Buffer.alloc(4))]), 'bad_priority_size'],
  ['GOAWAY of seven bytes', Buffer.concat([start, frame(7, 0, 0, Buffer.alloc(7))]), 'bad_goaway_size'],
  [
    'padding longer than its DATA',
    Buffer.concat([start, frame(0, 8, 1, Buffer.from([3, 0, 0]))]),
    'padding_too_long',
  ],
  ['padded DATA without a length', Buffer.concat([start, frame(0, 8, 1)]), 'no_pad_length'],
  [
    'padding longer than its HEADERS',
    Buffer.concat([start, frame(1, 12, 1, Buffer.from([3, 0]))]),
    'padding_too_long',
  ],
  ['padded HEADERS without a length', Buffer.concat([start, frame(1, 12, 1)]), 'padding_too_long'],
  ['a priority that is cut', Buffer.concat([start, frame(1, 36, 1, Buffer.alloc(3))]), 'padding_too_long'],
  ['CONTINUATION of nothing', Buffer.concat([start, frame(9, 4, 1)]), 'continuation_of_nothing'],
  [
    'CONTINUATION of another stream',
    Buffer.concat([start, frame(1, 0, 1), frame(9, 4, 3)]),
    'header_block_interrupted',
  ],
  [
    'a frame inside a header block',
    Buffer.concat([start, frame(1, 0, 1), frame(0, 0, 1)]),
    'header_block_interrupted',
  ],
  [
    'an empty CONTINUATION that goes on',
    Buffer.concat([start, frame(1, 0, 1, body), frame(9, 0, 1)]),
    'empty_continuation',
  ],
  [
    'CONTINUATIONs without end',
    Buffer.concat([
      start,
      frame(1, 0, 1, body),
      ...Array.from({ length: 80 }, () => frame(9, 0, 1, Buffer.alloc(1))),
    ]),
    'header_block_too_large',
  ],
]

for (const [what, bytes, reason] of refused) {
  test(`${what}: the connection ends`, () => {
    assert.equal(read(bytes).fault, reason)
    assert.equal(
      read(
        bytes,
        Array.from({ length: bytes.length }, (_, i) => i),
      ).fault,
      reason,
      'byte by byte',
    )
  })
}

test('a header block over the limit ends the connection, however few frames it takes', () => {
  const first = frame(1, 0, 1, Buffer.alloc(16_384))
  const more = Array.from({ length: 3 }, () => frame(9, 0, 1, Buffer.alloc(16_384)))
  assert.equal(read(Buffer.concat([start, first, ...more])).fault, 'header_block_too_large')
})

test('after a fault nothing further is read', () => {
  const { words } = read(
    Buffer.concat([start, frame(6, 0, 1, Buffer.alloc(8)), frame(6, 0, 0, Buffer.alloc(8))]),
  )
  assert.deepEqual(words, ['settings end'])
})

test('a client expects SETTINGS and no preface', () => {
  assert.equal(read(settings, [], 'client').fault, null)
  assert.equal(read(preface, [], 'client').fault, 'frame_too_large')
})
