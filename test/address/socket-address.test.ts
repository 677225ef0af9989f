/** Address-and-port texts, both ways. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatSocketAddress, parsePort, parseSocketAddress } from '../../src/address/socket-address.ts'

test('an address with a port comes back canonical', () => {
  for (const [text, wanted] of [
    ['1.2.3.4:80', '1.2.3.4:80'],
    ['[::1]:65535', '[::1]:65535'],
    ['[2001:DB8:0::1]:0', '[2001:db8::1]:0'],
    ['[::ffff:1.2.3.4]:443', '1.2.3.4:443'],
    ['[fe80::1%eth0]:1', '[fe80::1]:1'],
  ] as const) {
    const parsed = parseSocketAddress(text)
    assert.ok(parsed, text)
    assert.equal(formatSocketAddress(parsed), wanted)
  }
})

test('what is not exactly an address and a port is refused', () => {
  const refused = [
    '',
    ':',
    ':80',
    '1.2.3.4',
    '1.2.3.4:',
    '1.2.3.4:65536',
    '1.2.3.4:080',
    '1.2.3.4:+80',
    '1.2.3.4: 80',
    '::1:80',
  ]
  refused.push(
    '[::1]',
    '[::1]:',
    '[::1]80',
    '[1.2.3.4]:80',
    '::1]:80',
    '[::1:80',
    '[[::1]]:80',
    'localhost:80',
    '1.2.3.4:80:80',
    '[]:80',
  )
  for (const text of refused) assert.equal(parseSocketAddress(text), null, text)
})

test('every port is read, and nothing around it', () => {
  for (let port = 0; port <= 65535; port++) assert.equal(parsePort(String(port)), port)
  for (const text of ['', '65536', '99999', '100000', '00', '-1', '1e3', '0x1', ' 1', '1 '])
    assert.equal(parsePort(text), null, text)
})
