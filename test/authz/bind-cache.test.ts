/** Connections that look alike to policy share what was worked out; those that do not, do not; memory is bounded. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseIp, type Ip } from '../../src/address/ip.ts'
import { AddressClasses } from '../../src/authz/address-classes.ts'
import { authorize, bind } from '../../src/authz/authorize.ts'
import { compile } from '../../src/authz/compile.ts'
import { any, connection, policy, request, rule, when } from './judge.ts'

const mesh = { trustDomain: 'cluster.local', trustDomainAliases: [], protocol: 'http' } as const
const caller = (name: string): { uri: string } => ({ uri: `spiffe://cluster.local/ns/a/sa/${name}` })

test('what no rule looks at makes no difference between connections', () => {
  const compiled = compile([policy('ALLOW', [rule({ to: [{ methods: any('GET') }] })])], mesh)
  for (const from of [{}, caller('a'), { ip: '10.9.9.9' }, { sni: 'x' }, { port: 1 }, { to: '10.1.0.9' }])
    bind(compiled, connection(from))
  assert.equal(compiled.bindings.size, 1)
})

test('identity, port, SNI and address blocks that rules look at do', () => {
  const written = rule({
    from: [{ principals: any('cluster.local/ns/a/sa/a'), ipBlocks: any('10.0.0.0/8') }],
    to: [{ ports: any('80') }],
    when: [when('connection.sni', any('s')), when('destination.ip', any('10.1.0.1'))],
  })
  const compiled = compile([policy('ALLOW', [written])], mesh)
  const fits = { ...caller('a'), port: 80, sni: 's' }
  const others = [caller('b'), { ip: '11.0.0.1' }, { port: 81 }, { sni: 't' }, { to: '10.1.0.2' }]
  for (const more of [{}, ...others, {}, ...others]) {
    const allowed = authorize(bind(compiled, connection({ ...fits, ...more })), request()).allowed
    assert.equal(allowed, Object.keys(more).length === 0, JSON.stringify(more))
  }
  assert.equal(compiled.bindings.size, 6)
  bind(compiled, connection({ ...fits, ip: '10.200.3.4' }))
  assert.equal(compiled.bindings.size, 6, 'another address of the same block looks alike')
})

test('a request-side client address is the own one of each connection that shares a binding', () => {
  const compiled = compile([policy('ALLOW', [rule({ from: [{ remoteIpBlocks: any('10.0.0.1') }] })])], mesh)
  const allowed = (ip: string): boolean => authorize(bind(compiled, connection({ ip })), request()).allowed
  assert.deepEqual([allowed('10.0.0.1'), allowed('10.0.0.2'), allowed('10.0.0.1')], [true, false, true])
})

test('strangers cannot make it grow without bound', () => {
  const compiled = compile([policy('DENY', [rule({ from: [{ namespaces: any('bad') }] })])], mesh)
  for (let i = 0; i < 3000; i++) bind(compiled, connection(caller(`stranger-${i}`)))
  assert.equal(compiled.bindings.size, 1024)
})

test('two addresses are of one class exactly when they are in the same blocks', () => {
  const blocks = [
    '10.0.0.0/8',
    '10.1.0.0/16',
    '10.1.2.3',
    '0.0.0.0/0',
    '255.255.255.255',
    '2001:db8::/32',
    '::/0',
    'rubbish',
  ]
  const steps = AddressClasses.build(blocks)
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  const classOf = (text: string): number => (step.value as AddressClasses).of(parseIp(text) as Ip)
  const groups = [
    ['0.0.0.0', '9.255.255.255'],
    ['10.0.0.0', '10.0.255.255'],
    ['10.1.0.0', '10.1.2.2'],
    ['10.1.2.3'],
    ['10.1.2.4', '10.1.255.255'],
    ['10.2.0.0', '10.255.255.255'],
    ['11.0.0.0', '255.255.255.254'],
    ['255.255.255.255'],
    ['::2', '2001:db7:ffff::'],
    ['2001:db8::', '2001:db8:ffff::1'],
    ['2001:db9::', 'ffff::'],
  ]
  const classes = groups.map((group) => new Set(group.map(classOf)))
  for (const [i, found] of classes.entries()) assert.equal(found.size, 1, String(groups[i]))
  assert.equal(new Set(classes.flatMap((found) => [...found])).size, groups.length)
})
