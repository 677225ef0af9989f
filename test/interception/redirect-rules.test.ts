import { test } from 'node:test'
import assert from 'node:assert/strict'
import { inboundSource, ports, proxyUserId } from '../../src/bootstrap/ports.ts'
import { parseAccounts } from '../../src/interception/accounts.ts'
import { decodeRedirectOptions } from '../../src/interception/redirect-options.ts'
import type { RedirectTexts } from '../../src/interception/redirect-options.ts'
import { redirectRules } from '../../src/interception/redirect-rules.ts'
import { ruleLine } from '../../src/interception/rule.ts'
import type { Family } from '../../src/interception/rule.ts'

const accounts = parseAccounts('app:x:1000:1000::/:/bin/sh\n', 'www:x:33:\n')
const defaults = {
  outboundPort: ports.outbound,
  inboundPort: ports.inbound,
  tunnelPort: ports.tunnel,
  proxyUserId,
  inboundSource,
}

function lines(texts: RedirectTexts, family: Family = 'ipv4'): string[] {
  return redirectRules(decodeRedirectOptions(texts, defaults, accounts), family).rules.map(ruleLine)
}

const targets = [
  '-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN',
  '-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001',
  '-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006',
]
const exemptions = [
  '-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN',
  '-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT',
  '-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN',
  '-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN',
  '-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT',
  '-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN',
  '-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN',
]

test("a pod's options give the rules of dataplane §2.1 in their order", () => {
  assert.deepEqual(
    lines({
      istioInboundPorts: '*',
      istioLocalExcludePorts: '15090,15021,15020',
      istioServiceCidr: '*',
      istioServiceExcludeCidr: '',
    }),
    [
      ...targets,
      '-A PREROUTING -p tcp -j ISTIO_INBOUND',
      '-A ISTIO_INBOUND -p tcp --dport 15090 -j RETURN',
      '-A ISTIO_INBOUND -p tcp --dport 15021 -j RETURN',
      '-A ISTIO_INBOUND -p tcp --dport 15020 -j RETURN',
      '-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT',
      '-A OUTPUT -j ISTIO_OUTPUT',
      ...exemptions,
      '-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN',
      '-A ISTIO_OUTPUT -j ISTIO_REDIRECT',
    ],
  )
})

test('without options nothing is captured', () => {
  assert.deepEqual(lines({}), [
    ...targets,
    '-A OUTPUT -j ISTIO_OUTPUT',
    ...exemptions,
    '-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN',
  ])
})

test('listed inbound ports are captured one by one, and excluded ones then say nothing', () => {
  const inbound = lines({ istioInboundPorts: '80, 8080', istioLocalExcludePorts: '8080' }).slice(3, 6)
  assert.deepEqual(inbound, [
    '-A PREROUTING -p tcp -j ISTIO_INBOUND',
    '-A ISTIO_INBOUND -p tcp --dport 80 -j ISTIO_IN_REDIRECT',
    '-A ISTIO_INBOUND -p tcp --dport 8080 -j ISTIO_IN_REDIRECT',
  ])
})

test('excluded networks come before captured ports, and these before captured networks', () => {
  const all = lines({
    istioServiceCidr: '10.0.0.0/8,2001:db8::/32',
    istioServiceExcludeCidr: '10.9.8.7/16,fd00::/8',
    istioOutboundPorts: '9000',
    istioLocalOutboundPortsExclude: '25',
  })
  assert.deepEqual(all.slice(-4), [
    '-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN',
    '-A ISTIO_OUTPUT -d 10.9.0.0/16 -j RETURN',
    '-A ISTIO_OUTPUT -p tcp --dport 9000 -j ISTIO_REDIRECT',
    '-A ISTIO_OUTPUT -d 10.0.0.0/8 -j ISTIO_REDIRECT',
  ])
  assert.deepEqual(all.slice(4, 7), [
    '-A ISTIO_OUTPUT -p tcp --dport 25 -j RETURN',
    '-A ISTIO_OUTPUT -p udp --dport 25 -j RETURN',
    exemptions[0],
  ])
})

test('every proxy user and group has its three rules', () => {
  const owners = lines({ proxyUid: '7,app', proxyGid: 'www' }).filter((line) => line.includes('-m owner'))
  assert.equal(owners.length, 9)
  assert.deepEqual(
    owners.filter((line) => line.endsWith('-j RETURN') && !line.includes('!')),
    ['uid-owner 7', 'uid-owner 1000', 'gid-owner 33'].map(
      (owner) => `-A ISTIO_OUTPUT -m owner --${owner} -j RETURN`,
    ),
  )
})

test('a listed loopback network takes away the rule that lets loopback go', () => {
  for (const istioServiceCidr of ['127.0.0.0/8', '10.0.0.0/8,::1']) {
    assert.ok(!lines({ istioServiceCidr }).some((line) => line.includes('! --uid-owner')))
  }
})

test('owner groups: excluded ones return each, included ones in one rule', () => {
  assert.deepEqual(
    lines({ outboundOwnerGroupsExclude: '5,www' }).filter((line) => /owner (5|33) /.test(line)),
    ['-A ISTIO_OUTPUT -m owner --gid-owner 5 -j RETURN', '-A ISTIO_OUTPUT -m owner --gid-owner 33 -j RETURN'],
  )
  assert.ok(
    lines({ outboundOwnerGroups: '5,6' }).includes(
      '-A ISTIO_OUTPUT -m owner ! --gid-owner 5 -m owner ! --gid-owner 6 -j RETURN',
    ),
  )
  assert.ok(!lines({ outboundOwnerGroups: ' ' }).includes('-A ISTIO_OUTPUT -j RETURN'))
})

test('excluded interfaces return first, virtual ones are inserted before them', () => {
  const some = lines({ istioExcludeInterfaces: 'eth1', kubeVirtInterfaces: 'k6t0', istioServiceCidr: '*' })
  assert.deepEqual(some.slice(0, 3), [
    '-A PREROUTING -i eth1 -j RETURN',
    '-A OUTPUT -o eth1 -j RETURN',
    '-I PREROUTING 1 -i k6t0 -j RETURN',
  ])
  assert.equal(some.at(-1), '-I PREROUTING 1 -i k6t0 -j ISTIO_REDIRECT')
  const listed = lines({ kubeVirtInterfaces: 'k6t0', istioServiceCidr: '10.0.0.0/8' })
  assert.ok(listed.includes('-I PREROUTING 1 -i k6t0 -d 10.0.0.0/8 -j ISTIO_REDIRECT'))
})

test('IPv6 rules differ in their addresses only', () => {
  const texts = {
    istioInboundPorts: '*',
    istioServiceCidr: '*',
    istioServiceExcludeCidr: '10.0.0.0/8,fd00::/8',
  }
  const v6 = lines(texts, 'ipv6').map((line) =>
    line
      .replace('::1/128', '127.0.0.1/32')
      .replace('::6/128', '127.0.0.6/32')
      .replace('fd00::/8', '10.0.0.0/8'),
  )
  assert.deepEqual(v6, lines(texts))
})
