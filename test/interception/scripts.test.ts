/** The shell scripts in iptables/ and the program say the same: ports, rules and refusals. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { inboundSource, ports, proxyUserId } from '../../src/bootstrap/ports.ts'
import { redirectDefaults } from '../../src/cli/run-iptables.ts'
import { parseAccounts } from '../../src/interception/accounts.ts'
import { InterceptionError } from '../../src/interception/interception-error.ts'
import { decodeRedirectOptions } from '../../src/interception/redirect-options.ts'
import type { RedirectTexts } from '../../src/interception/redirect-options.ts'
import { redirectRules } from '../../src/interception/redirect-rules.ts'
import { applyInput } from '../../src/interception/redirection-plan.ts'

const folder = new URL('../../iptables/', import.meta.url).pathname
const accounts = parseAccounts(readFileSync('/etc/passwd', 'utf8'), readFileSync('/etc/group', 'utf8'))

const letters = {
  '-p': 'envoyPort',
  '-z': 'inboundCapturePort',
  '-e': 'inboundTunnelPort',
  '-u': 'proxyUid',
  '-g': 'proxyGid',
  '-m': 'istioInboundInterceptionMode',
  '-b': 'istioInboundPorts',
  '-d': 'istioLocalExcludePorts',
  '-i': 'istioServiceCidr',
  '-x': 'istioServiceExcludeCidr',
  '-q': 'istioOutboundPorts',
  '-o': 'istioLocalOutboundPortsExclude',
  '-c': 'istioExcludeInterfaces',
  '-k': 'kubeVirtInterfaces',
  ISTIO_OUTBOUND_OWNER_GROUPS: 'outboundOwnerGroups',
  ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: 'outboundOwnerGroupsExclude',
  ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: 'outboundIpv4LoopbackCidr',
} as const satisfies Record<string, keyof RedirectTexts>

type Given = { readonly [name in keyof typeof letters]?: string }

function script(given: Given): { code: number | null; stdout: string; stderr: string } {
  const entries = Object.entries(given)
  const args = entries.filter(([name]) => name.startsWith('-')).flat()
  const env = Object.fromEntries(entries.filter(([name]) => !name.startsWith('-')))
  const { status, stdout, stderr } = spawnSync('/bin/sh', [`${folder}redirect.sh`, '-n', ...args], {
    env: { PATH: '/usr/bin:/bin', ...env },
    encoding: 'utf8',
    timeout: 20_000,
  })
  return { code: status, stdout, stderr }
}

function program(given: Given): string {
  const texts = Object.fromEntries(
    Object.entries(given).map(([name, text]) => [letters[name as keyof Given], text]),
  )
  return applyInput(redirectRules(decodeRedirectOptions(texts, redirectDefaults, accounts), 'ipv4'))
}

function refusal(given: Given): string {
  try {
    return `none for ${JSON.stringify(given)}: ${program(given)}`
  } catch (error) {
    assert.ok(error instanceof InterceptionError)
    return error.code
  }
}

test('ports.env agrees with the port table of the program', () => {
  const values = Object.fromEntries(
    readFileSync(`${folder}ports.env`, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.split('=')),
  )
  assert.deepEqual(values, {
    OUTBOUND_PORT: String(ports.outbound),
    INBOUND_PORT: String(ports.inbound),
    TUNNEL_PORT: String(ports.tunnel),
    STATUS_PORT: String(ports.status),
    READINESS_PORT: String(ports.readiness),
    PROMETHEUS_PORT: String(ports.prometheus),
    PROXY_ID: String(proxyUserId),
    INBOUND_SOURCE: inboundSource.v4,
  })
})

const agreeing: Given[] = [
  {},
  { '-b': '*', '-d': '15090,15021,15020', '-i': '*', '-x': '', '-m': 'REDIRECT' },
  { '-b': '80,443', '-d': '22', '-i': '10.1.2.3/9,192.168.0.0/16,2001:db8::/32', '-x': '10.0.0.1,fd00::/8' },
  { '-i': '127.0.0.0/8', '-u': '1337,0,root', '-g': '7,root' },
  { '-i': '::1,0.0.0.0/0', '-q': '80,81', '-o': '25,53' },
  { '-c': 'eth1,cali+', '-k': 'k6t0,k6t1', '-i': '*' },
  { '-c': 'eth1', '-k': 'k6t0,k6t1', '-i': '10.0.0.0/8,11.0.0.0/8' },
  { '-p': '1', '-z': '2', '-e': '65535', '-b': '*' },
  { '-i': '*', ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: '5,root' },
  { '-i': '*', ISTIO_OUTBOUND_OWNER_GROUPS: '5,6', ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: '127.1.2.3/8' },
]
for (const given of agreeing) {
  test(`redirect.sh prints what the program prints: ${JSON.stringify(given)}`, () => {
    const { code, stdout, stderr } = script(given)
    assert.equal(stderr, '')
    assert.equal(code, 0)
    assert.equal(stdout, program(given))
  })
}

test('redirect.sh refuses what the program refuses, with the same code', () => {
  const wrong: Given[] = [
    ...['80;id', '$(id)', '80,', ',80', '0', '65536', '080', '*,80', '8 0', '-1'].map((text) => ({
      '-b': text,
    })),
    ...[
      '10.0.0.0/33',
      '10.0.0',
      '1.2.3.4.5',
      '256.0.0.1',
      '01.2.3.4',
      '*,10.0.0.0/8',
      '10.0.0.0/',
      'x::1',
      '$(id)',
    ].map((text) => ({
      '-i': text,
    })),
    ...['-x', 'a234567890123456', '+', 'a+b', 'a;id', '`id`'].map((text) => ({ '-c': text })),
    ...['no-such-user', '4294967295', 'root;id', '1-2'].map((text) => ({ '-u': text })),
    ...['10.0.0.0/8', '127.0.0.0/7', '::1'].map((text) => ({ ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: text })),
    { '-p': '1,2' },
    { '-m': 'TPROXY' },
    { ISTIO_OUTBOUND_OWNER_GROUPS: '5', ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: '6' },
  ]
  for (const given of wrong) {
    const expected = refusal(given)
    const { code, stdout, stderr } = script(given)
    assert.equal(stdout, '', JSON.stringify(given))
    assert.equal(code, 2, JSON.stringify(given))
    assert.match(stderr, new RegExp(`^error: ${expected} [^\\n]+; [^\\n]+\\n$`), JSON.stringify(given))
  }
})
