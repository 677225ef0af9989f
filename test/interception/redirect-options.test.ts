import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseAccounts } from '../../src/interception/accounts.ts'
import { InterceptionError } from '../../src/interception/interception-error.ts'
import { decodeRedirectOptions } from '../../src/interception/redirect-options.ts'
import type { RedirectTexts } from '../../src/interception/redirect-options.ts'

const defaults = {
  outboundPort: 1,
  inboundPort: 2,
  tunnelPort: 3,
  proxyUserId: 1337,
  inboundSource: { v4: '127.0.0.6', v6: '::6' },
}
const accounts = parseAccounts('root:x:0:0::/:/bin/sh\napp:x:1000:5::/:\n', 'www:x:33:\nodd:x:none:\n')
const decode = (texts: RedirectTexts, known = accounts) => decodeRedirectOptions(texts, defaults, known)

/** Each in an option of its own: nothing of it may come through. */
const hostile = [
  '80;id',
  '$(id)',
  '`id`',
  '80 -j ACCEPT',
  '80\n-A X',
  '-j',
  '--dport',
  '!',
  "'",
  '"',
  '80,',
  ',80',
  '80,,81',
  '٨٠',
]

test('text that is not what the option wants is refused, and the refusal is bad usage', () => {
  const lists = {
    istioInboundPorts: ['*,80', '**', '0', '65536', '080', '1e3', '-1', '+80', '80:90', '99999999999'],
    istioLocalExcludePorts: ['*'],
    istioOutboundPorts: ['*'],
    istioLocalOutboundPortsExclude: ['*'],
    envoyPort: ['1,2', '0'],
    inboundCapturePort: ['http'],
    inboundTunnelPort: ['70000'],
    istioServiceCidr: [
      '*,10.0.0.0/8',
      '10.0.0.0/33',
      '10.0.0',
      '010.0.0.1',
      '10.0.0.0/',
      '::1/129',
      'localhost',
      'fe80::1%eth0',
    ],
    istioServiceExcludeCidr: ['*'],
    istioExcludeInterfaces: ['eth 0', '-eth0', '+', 'eth+0', 'a234567890123456', '../eth0', 'eth0;id'],
    kubeVirtInterfaces: ['!eth0'],
    proxyUid: ['nobody-here', '4294967295', '-1', '1-2', 'app;id'],
    proxyGid: ['odd', '99999999999'],
    outboundOwnerGroups: ['*,5', 'nobody-here'],
    outboundOwnerGroupsExclude: ['*'],
    outboundIpv4LoopbackCidr: ['10.0.0.0/8', '127.0.0.0/7', '::1', '127.0.0.1,127.0.0.2'],
    istioInboundInterceptionMode: ['TPROXY', 'NONE', 'redirect'],
  } satisfies Partial<Record<keyof RedirectTexts, string[]>>
  for (const [option, texts] of Object.entries(lists)) {
    for (const text of [...texts, ...hostile]) {
      // A port list may be a valid single item of another kind; the hostile ones never are.
      assert.throws(
        () => decode({ [option]: text }),
        (error) => error instanceof InterceptionError && error.usage && !error.line.includes('\n'),
        `${option}: ${JSON.stringify(text)}`,
      )
    }
  }
})

test('owner groups cannot be included and excluded at once, nor be more than one rule holds', () => {
  assert.throws(() => decode({ outboundOwnerGroups: '5', outboundOwnerGroupsExclude: '6' }), {
    code: 'ERR_INTERCEPTION_OWNER',
  })
  const many = Array.from({ length: 65 }, (_, id) => String(id)).join(',')
  assert.throws(() => decode({ outboundOwnerGroups: many }), { code: 'ERR_INTERCEPTION_OWNER' })
})

test('a list has an end', () => {
  const long = Array.from({ length: 1025 }, () => '80').join(',')
  assert.throws(() => decode({ istioInboundPorts: long }), { code: 'ERR_INTERCEPTION_PORT' })
})

test('networks are masked, sorted by family and unmapped', () => {
  const { outboundNetworks } = decode({
    istioServiceCidr: ' 10.1.2.3/8, 2001:DB8::1/32 ,1.2.3.4,::ffff:10.0.0.0/104',
  })
  assert.deepEqual(outboundNetworks, {
    v4: ['10.0.0.0/8', '1.2.3.4/32', '10.0.0.0/8'],
    v6: ['2001:db8::/32'],
  })
})

test('the proxy is the user istio-proxy where there is one, and its group is its user unless said otherwise', () => {
  assert.deepEqual(decode({}).proxyUsers, [1337])
  const machine = parseAccounts('istio-proxy:x:998:5::/:\nistio-proxy:x:7:7::/:', '')
  assert.deepEqual(decode({}, machine).proxyUsers, [998])
  assert.deepEqual(decode({}, machine).proxyGroups, [998])
  assert.deepEqual(decode({ proxyUid: 'app,0', proxyGid: 'www' }).proxyUsers, [1000, 0])
  assert.deepEqual(decode({ proxyUid: 'app', proxyGid: 'www' }).proxyGroups, [33])
})
