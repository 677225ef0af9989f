/** Addresses against Node's own reading of them, on hand-picked texts and on seeded random ones. */
import assert from 'node:assert/strict'
import { isIP, SocketAddress } from 'node:net'
import { test } from 'node:test'
import { formatIp, parseIp, sameIp } from '../../src/address/ip.ts'

function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const canonical: [string, string][] = [
  ['1.2.3.4', '1.2.3.4'],
  ['255.255.255.255', '255.255.255.255'],
  ['0.0.0.0', '0.0.0.0'],
  ['::', '::'],
  ['::1', '::1'],
  ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['1::', '1::'],
  ['0:0:0:1::', '0:0:0:1::'],
  ['fe80::1%eth0', 'fe80::1'],
  ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
]

test('text comes back in its one canonical spelling', () => {
  for (const [text, wanted] of canonical) {
    const ip = parseIp(text)
    assert.ok(ip, text)
    assert.equal(formatIp(ip), wanted)
  }
})

test('an IPv4-mapped address is the IPv4 address in every spelling', () => {
  for (const text of ['::ffff:10.1.2.3', '::FFFF:a01:203', '0:0:0:0:0:ffff:10.1.2.3', '::ffff:10.1.2.3%1']) {
    assert.deepEqual(parseIp(text), parseIp('10.1.2.3'))
  }
})

test('spellings that resolvers disagree about are refused', () => {
  const refused = [
    '',
    '1',
    '1.2.3',
    '01.2.3.4',
    '1.2.3.04',
    '0x1.2.3.4',
    '1.2.3.256',
    '1.2.3.4.5',
    '1.2.3.4 ',
    ' ::1',
    ':1',
    '1:',
  ]
  refused.push(
    '1:::2',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    'g::',
    '::1.2.3',
    '::1.2.3.04',
    '1.2.3.4::',
  )
  refused.push(
    '[::1]',
    'fe80::1%',
    'fe80::1%a b',
    'fe80::1%\0',
    '1.2.3.4%eth0',
    '1:2:3:4:5:6:7:1.2.3.4',
    '1::2:3:4:5:6:7:8',
    '١.2.3.4',
  )
  for (const text of refused) assert.equal(parseIp(text), null, text)
})

test('random texts are addresses exactly when Node says so', () => {
  const random = seeded(1)
  const pieces = [
    '0',
    '1',
    '9',
    '10',
    '255',
    '256',
    '00',
    'f',
    'FFFF',
    'ffff',
    '10000',
    ':',
    ':',
    ':',
    '::',
    '.',
    '.',
    '1.2.3.4',
    '::ffff:',
  ]
  let addresses = 0
  for (let n = 0; n < 60000; n++) {
    let text = ''
    for (let k = random(15); k >= 0; k--) text += pieces[random(pieces.length)] as string
    const ours = parseIp(text)
    assert.equal(ours !== null, isIP(text) !== 0, text)
    if (ours !== null) addresses++
  }
  assert.ok(addresses > 100)
})

test('formatting random words agrees with Node, and parsing gives the words back', () => {
  const random = seeded(2)
  for (let n = 0; n < 20000; n++) {
    const group = (): number => (random(3) === 0 ? random(65536) : random(2))
    const text = Array.from({ length: 8 }, () => group().toString(16)).join(':')
    const ip = parseIp(text)
    assert.ok(ip, text)
    const back = parseIp(formatIp(ip))
    assert.ok(back !== null && sameIp(ip, back), text)
    if (ip.family === 6 && (ip.a | ip.b | ip.c) !== 0) {
      assert.equal(formatIp(ip), new SocketAddress({ address: text, family: 'ipv6' }).address)
    }
    const v4 = [random(256), random(256), random(256), random(256)].join('.')
    const parsed = parseIp(v4)
    assert.ok(parsed)
    assert.equal(formatIp(parsed), v4)
  }
})

test('addresses of different families or words are different', () => {
  const ips = ['0.0.0.1', '::1', '1::1', '0:0:1::1', '0:0:0:0:1::1', '0.0.0.2'].map((text) => parseIp(text))
  ips.forEach((x, i) =>
    ips.forEach((y, j) => assert.equal(x !== null && y !== null && sameIp(x, y), i === j)),
  )
})
