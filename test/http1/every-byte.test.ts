/** Each of the 256 bytes in each kind of place; the expected sets are written out here, apart from the tables of src. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, readRequests, readResponses } from './transcript.ts'

const digits = '0123456789'
const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
const token = digits + letters + "!#$%&'*+-.^_`|~"
const visible = Array.from({ length: 94 }, (_, i) => String.fromCharCode(0x21 + i)).join('')
const high = Array.from({ length: 128 }, (_, i) => String.fromCharCode(0x80 + i)).join('')
const ok = 'Host: a\r\n'
const chunked = `POST / HTTP/1.1\r\n${ok}Transfer-Encoding: chunked\r\n\r\n`

function request(text: string): boolean {
  const { refusal, messages } = readRequests([bytes(text)])
  return refusal === null && messages.length === 1
}

function response(text: string): boolean {
  return readResponses([bytes(text)]).refusal === null
}

const places: [place: string, allowed: string, accepts: (byte: string) => boolean][] = [
  ['a method', token, (b) => request(`G${b}T / HTTP/1.1\r\n${ok}\r\n`)],
  ['a target', visible.replace('#', ''), (b) => request(`GET /a${b}b HTTP/1.1\r\n${ok}\r\n`)],
  [
    "an absolute target's host",
    digits + letters + "-._~!$&'()*+;=" + '/?',
    (b) => request(`GET http://a${b}b HTTP/1.1\r\n${ok}\r\n`),
  ],
  ['a field name', token + ':', (b) => request(`GET / HTTP/1.1\r\n${ok}X${b}Y: z\r\n\r\n`)],
  ['a field value', visible + high + ' \t', (b) => request(`GET / HTTP/1.1\r\n${ok}X: y${b}z\r\n\r\n`)],
  [
    'the end of a field value',
    visible + high + ' \t',
    (b) => request(`GET / HTTP/1.1\r\n${ok}X: y${b}\r\n\r\n`),
  ],
  ['a Host', digits + letters + "-._~!$&'()*+;=", (b) => request(`GET / HTTP/1.1\r\nHost: a${b}b\r\n\r\n`)],
  ['a port', digits, (b) => request(`GET / HTTP/1.1\r\nHost: a:1${b}2\r\n\r\n`)],
  [
    'a Content-Length',
    digits + ' ',
    (b) =>
      request(
        `POST / HTTP/1.1\r\n${ok}Content-Length: 0${b}\r\n\r\n${'x'.repeat(Number(digits.includes(b) && b))}`,
      ),
  ],
  [
    "the place of a line's CR",
    visible.replace(/./g, ''),
    (b) => request(`GET / HTTP/1.1\r\n${ok}X: y${b}\nZ: z\r\n\r\n`) && b !== '\r',
  ],
  [
    "the place of a line's LF",
    '',
    (b) => request(`GET / HTTP/1.1\r\n${ok}X: y\r${b}Z: z\r\n\r\n`) && b !== '\n',
  ],
  ['the digit of a version', '01', (b) => request(`GET / HTTP/1.${b}\r\n${ok}\r\n`)],
  ['the blank of a request line', ' ', (b) => request(`GET${b}/ HTTP/1.1\r\n${ok}\r\n`)],
  ['a chunk size', '0', (b) => request(`${chunked}0${b}\r\n\r\n`)],
  [
    'the start of a chunk size',
    '0123456789abcdefABCDEF',
    (b) => request(`${chunked}${b}\r\n${chunkOf(b)}0\r\n\r\n`) || b === '0',
  ],
  ['a chunk extension name', token + ';=', (b) => request(`${chunked}0;a${b}b\r\n\r\n`)],
  ['a chunk extension value', token + ';', (b) => request(`${chunked}0;a=b${b}c\r\n\r\n`)],
  [
    'a quoted chunk extension',
    visible.replace(/["\\]/g, '') + ' \t',
    (b) => request(`${chunked}0;a="b${b}c"\r\n\r\n`) && b !== '\\',
  ],
  ['an escape in a chunk extension', visible + ' \t', (b) => request(`${chunked}0;a="b\\${b}c"\r\n\r\n`)],
  ['the end of chunk data', '', (b) => request(`${chunked}1\r\nx${b}\n0\r\n\r\n`) && b !== '\r'],
  ['a trailer name', token + ':', (b) => request(`${chunked}0\r\nX${b}Y: z\r\n\r\n`)],
  ['a trailer value', visible + high + ' \t', (b) => request(`${chunked}0\r\nX: y${b}z\r\n\r\n`)],
  [
    'a reason phrase',
    visible + high + ' \t',
    (b) => response(`HTTP/1.1 200 O${b}K\r\nContent-Length: 0\r\n\r\n`),
  ],
  ['a status', digits, (b) => response(`HTTP/1.1 20${b} OK\r\n\r\n`) || b === '4'],
]
for (const [place, allowed, accepts] of places) {
  test(`every byte in ${place} is accepted or refused as the RFC has it`, () => {
    for (let byte = 0; byte < 256; byte++) {
      const text = String.fromCharCode(byte)
      assert.equal(accepts(text), allowed.includes(text), `byte 0x${byte.toString(16).padStart(2, '0')}`)
    }
  })
}

function chunkOf(digit: string): string {
  const size = Number.parseInt(digit, 16)
  return Number.isNaN(size) ? '' : 'x'.repeat(size) + '\r\n'
}
