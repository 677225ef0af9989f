/** Ranges against Node's BlockList on seeded random networks, and the spellings that are refused. */
import assert from 'node:assert/strict'
import { BlockList } from 'node:net'
import { test } from 'node:test'
import { cidrContains, parseCidr } from '../../src/address/cidr.ts'
import { formatIp, parseIp, type Ip } from '../../src/address/ip.ts'

function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function contains(cidr: string, ip: string): boolean {
  const range = parseCidr(cidr)
  const address = parseIp(ip)
  assert.ok(range !== null && address !== null)
  return cidrContains(range, address)
}

test('a bare address is a range of one', () => {
  assert.equal(parseCidr('10.0.0.1')?.length, 32)
  assert.equal(parseCidr('::1')?.length, 128)
  assert.ok(contains('10.0.0.1', '10.0.0.1') && !contains('10.0.0.1', '10.0.0.0'))
})

test('host bits are cleared', () => {
  assert.deepEqual(parseCidr('10.9.8.7/8'), parseCidr('10.0.0.0/8'))
  assert.deepEqual(parseCidr('2001:db8:ffff:ffff:ffff::1/33'), parseCidr('2001:db8:8000::/33'))
})

test('a mapped range is the IPv4 range, and one wider than IPv4 is refused', () => {
  assert.deepEqual(parseCidr('::ffff:10.0.0.0/104'), parseCidr('10.0.0.0/8'))
  assert.deepEqual(parseCidr('::ffff:0:0/96'), parseCidr('0.0.0.0/0'))
  assert.equal(parseCidr('::ffff:10.0.0.0/95'), null)
})

test('a mapped peer is found in an IPv4 range, and families never mix', () => {
  assert.ok(contains('10.0.0.0/8', '::ffff:10.1.1.1'))
  assert.ok(!contains('::/0', '10.0.0.1') && !contains('0.0.0.0/0', '::1'))
  assert.ok(contains('::/0', 'ffff::1') && contains('0.0.0.0/0', '255.255.255.255'))
})

test('what is no range is refused', () => {
  const refused = [
    '',
    '/',
    '/8',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10.0.0.0/+8',
    '10.0.0.0/8/8',
    '10.0.0.0/ 8',
  ]
  refused.push(
    '::/129',
    '::/1000',
    'fe80::%eth0/64',
    'fe80::/64%eth0',
    '10.0.0/8',
    '10.0.0.0/0x8',
    '10.0.0.0/8 ',
    '10.0.0.0/٨',
  )
  for (const text of refused) assert.equal(parseCidr(text), null, text)
})

test('random ranges contain what Node says they contain', () => {
  const random = seeded(3)
  let inside = 0
  for (let n = 0; n < 4000; n++) {
    const six = random(2) === 1
    const bits = six ? 128 : 32
    const network = randomIp(random, six)
    const length = random(bits + 1)
    const range = parseCidr(`${formatIp(network)}/${length}`)
    assert.ok(range)
    const list = new BlockList()
    list.addSubnet(formatIp(network), length, six ? 'ipv6' : 'ipv4')
    for (let k = 0; k < 6; k++) {
      const ip = nearby(random, network, bits)
      const wanted = list.check(formatIp(ip), six ? 'ipv6' : 'ipv4')
      assert.equal(cidrContains(range, ip), wanted, `${formatIp(network)}/${length} ${formatIp(ip)}`)
      if (wanted) inside++
    }
  }
  assert.ok(inside > 1000)
})

function randomIp(random: (below: number) => number, six: boolean): Ip {
  const word = (): number => random(65536) * 65536 + random(65536)
  if (!six) return { family: 4, a: 0, b: 0, c: 0, d: word() }
  return { family: 6, a: (word() | 0x20000000) >>> 0, b: word(), c: word(), d: word() }
}

// The network with one bit flipped at a random depth, so that both answers come up at every length.
function nearby(random: (below: number) => number, ip: Ip, bits: number): Ip {
  const flip = bits - 1 - random(bits)
  const at = (word: number): number => {
    const from = bits === 32 ? (word === 3 ? 0 : -1) : word * 32
    return from >= 0 && flip >= from && flip < from + 32 ? (1 << (31 - (flip - from))) >>> 0 : 0
  }
  const same = random(8) === 0
  const word = (value: number, i: number): number => (same ? value : (value ^ at(i)) >>> 0)
  return { family: ip.family, a: word(ip.a, 0), b: word(ip.b, 1), c: word(ip.c, 2), d: word(ip.d, 3) }
}
