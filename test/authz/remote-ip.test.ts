/** Which client address `remote.ip` means at a sidecar: policy-semantics §1.8 and trap 23. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { any, hits, not, policy, rule, tcp, when } from './judge.ts'

const from = { ip: '10.0.0.1' }
const xff = (...values: string[]): string[] => values.flatMap((value) => ['x-forwarded-for', value])

// [headers, the address policy sees]
const cases: [string[], string][] = [
  [[], '10.0.0.1'],
  [xff('1.1.1.1'), '1.1.1.1'],
  [xff('1.1.1.1, 2.2.2.2'), '2.2.2.2'],
  [xff('1.1.1.1,2.2.2.2 '), '2.2.2.2'],
  [xff('1.1.1.1', '3.3.3.3'), '3.3.3.3'],
  [xff('1.1.1.1, rubbish'), '10.0.0.1'],
  [xff('1.1.1.1,'), '10.0.0.1'],
  [xff('1.1.1.1:80'), '10.0.0.1'],
  [xff(''), '10.0.0.1'],
  [xff('1.1.1.1', ''), '10.0.0.1'],
  [xff('2001:db8::1'), '2001:db8::1'],
  [xff('::ffff:1.2.3.4'), '1.2.3.4'],
  [['forwarded', 'for=1.1.1.1'], '10.0.0.1'],
]

for (const [headers, seen] of cases)
  test(`remote.ip of ${JSON.stringify(headers)} is ${seen}`, () => {
    for (const address of ['1.1.1.1', '2.2.2.2', '3.3.3.3', '10.0.0.1', '2001:db8::1', '1.2.3.4']) {
      const fits = address === seen
      assert.equal(hits(rule({ from: [{ remoteIpBlocks: any(address) }] }), from, { headers }), fits, address)
      assert.equal(
        hits(rule({ from: [{ remoteIpBlocks: not(address) }] }), from, { headers }),
        !fits,
        address,
      )
      assert.equal(hits(rule({ when: [when('remote.ip', any(address))] }), from, { headers }), fits, address)
    }
  })

test('on tcp remote.ip is the socket peer and keeps an ALLOW rule alive', () => {
  const written = rule({ from: [{ remoteIpBlocks: any('10.0.0.0/8') }] })
  assert.equal(tcp([policy('ALLOW', [written])], from).allowed, true)
  assert.equal(tcp([policy('ALLOW', [written])], { ip: '11.0.0.1' }).allowed, false)
  assert.equal(tcp([policy('DENY', [written])], from).allowed, false)
})

test('one request is asked for its client address by many rules and gives one answer', () => {
  const rules = ['1.1.1.1', '2.2.2.2', '10.0.0.1'].map((ip) => rule({ from: [{ remoteIpBlocks: any(ip) }] }))
  assert.equal(
    hits(rule({ from: rules.flatMap((each) => each.from) }), from, { headers: xff('9.9.9.9') }),
    false,
  )
  assert.equal(
    hits(rule({ from: rules.flatMap((each) => each.from) }), from, { headers: xff('2.2.2.2') }),
    true,
  )
})
