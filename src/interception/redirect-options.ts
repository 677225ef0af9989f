/**
 * What is redirected and what is not: the options of `iptables apply` as checked values. Raw text becomes numbers and
 * masked networks here or is refused here, so nothing a user typed reaches a rule as he typed it (dataplane §2.3).
 */
import { formatIp } from '../address/ip.ts'
import { parseCidr } from '../address/cidr.ts'
import type { Accounts } from './accounts.ts'
import { InterceptionError } from './interception-error.ts'

/** As flags and environment give them; absent and '' mean the default. Names are Istio's long option names. */
export interface RedirectTexts {
  readonly envoyPort?: string | undefined
  readonly inboundCapturePort?: string | undefined
  readonly inboundTunnelPort?: string | undefined
  readonly proxyUid?: string | undefined
  readonly proxyGid?: string | undefined
  readonly istioInboundInterceptionMode?: string | undefined
  readonly istioInboundPorts?: string | undefined
  readonly istioLocalExcludePorts?: string | undefined
  readonly istioServiceCidr?: string | undefined
  readonly istioServiceExcludeCidr?: string | undefined
  readonly istioOutboundPorts?: string | undefined
  readonly istioLocalOutboundPortsExclude?: string | undefined
  readonly istioExcludeInterfaces?: string | undefined
  readonly kubeVirtInterfaces?: string | undefined
  readonly outboundOwnerGroups?: string | undefined
  readonly outboundOwnerGroupsExclude?: string | undefined
  readonly outboundIpv4LoopbackCidr?: string | undefined
}

/** The program's own port table, handed down: this room spells no port. */
export interface RedirectDefaults {
  readonly outboundPort: number
  readonly inboundPort: number
  readonly tunnelPort: number
  readonly proxyUserId: number
  readonly inboundSource: { readonly v4: string; readonly v6: string }
}

export interface Networks {
  readonly v4: readonly string[]
  readonly v6: readonly string[]
}

export interface RedirectOptions {
  readonly outboundPort: number
  readonly inboundPort: number
  readonly tunnelPort: number
  readonly proxyUsers: readonly number[]
  readonly proxyGroups: readonly number[]
  /** '*' = every port but the excluded ones; [] = inbound is not redirected. */
  readonly inboundPorts: '*' | readonly number[]
  readonly inboundExcludePorts: readonly number[]
  /** '*' = every destination; empty networks = none but `outboundPorts`. */
  readonly outboundNetworks: '*' | Networks
  readonly outboundExcludeNetworks: Networks
  readonly outboundPorts: readonly number[]
  readonly outboundExcludePorts: readonly number[]
  readonly excludeInterfaces: readonly string[]
  readonly virtualInterfaces: readonly string[]
  /** Whose traffic is captured: everybody's but `groups`, or only that of `groups`. */
  readonly ownerGroups: { readonly except: boolean; readonly groups: readonly number[] }
  readonly loopback: { readonly v4: string; readonly v6: string }
  readonly inboundSource: { readonly v4: string; readonly v6: string }
}

/** More owner groups than this cannot be AND-ed in one rule. */
const mostOwnerGroups = 64
const mostItems = 1024

/** Throws InterceptionError naming the option, the text at fault and how to write it. */
export function decodeRedirectOptions(
  texts: RedirectTexts,
  defaults: RedirectDefaults,
  accounts: Accounts,
): RedirectOptions {
  const mode = texts.istioInboundInterceptionMode || 'REDIRECT'
  if (mode !== 'REDIRECT') {
    throw new InterceptionError(
      'ERR_INTERCEPTION_UNSUPPORTED',
      `interception mode ${shown(mode)} is not available`,
      'use REDIRECT',
    )
  }
  const proxyUsers = ids('--proxy-uid', texts.proxyUid, (name) => accounts.userId(name))
  const users = proxyUsers.length > 0 ? proxyUsers : [accounts.userId('istio-proxy') ?? defaults.proxyUserId]
  const proxyGroups = ids('--proxy-gid', texts.proxyGid, (name) => accounts.groupId(name))
  return {
    outboundPort: onePort('--envoy-port', texts.envoyPort, defaults.outboundPort),
    inboundPort: onePort('--inbound-capture-port', texts.inboundCapturePort, defaults.inboundPort),
    tunnelPort: onePort('--inbound-tunnel-port', texts.inboundTunnelPort, defaults.tunnelPort),
    proxyUsers: users,
    proxyGroups: proxyGroups.length > 0 ? proxyGroups : users,
    inboundPorts:
      texts.istioInboundPorts?.trim() === '*'
        ? '*'
        : portList('--istio-inbound-ports', texts.istioInboundPorts, true),
    inboundExcludePorts: portList('--istio-local-exclude-ports', texts.istioLocalExcludePorts),
    outboundNetworks:
      texts.istioServiceCidr?.trim() === '*'
        ? '*'
        : networks('--istio-service-cidr', texts.istioServiceCidr, true),
    outboundExcludeNetworks: networks('--istio-service-exclude-cidr', texts.istioServiceExcludeCidr),
    outboundPorts: portList('--istio-outbound-ports', texts.istioOutboundPorts),
    outboundExcludePorts: portList(
      '--istio-local-outbound-ports-exclude',
      texts.istioLocalOutboundPortsExclude,
    ),
    excludeInterfaces: interfaces('--istio-exclude-interfaces', texts.istioExcludeInterfaces),
    virtualInterfaces: interfaces('--kube-virt-interfaces', texts.kubeVirtInterfaces),
    ownerGroups: ownerGroups(texts, accounts),
    loopback: { v4: loopbackV4(texts.outboundIpv4LoopbackCidr), v6: '::1/128' },
    inboundSource: { v4: `${defaults.inboundSource.v4}/32`, v6: `${defaults.inboundSource.v6}/128` },
  }
}

// Listed items, blanks around them dropped; '' is the empty list, and an item missing between commas is a mistake.
function items(text: string | undefined): string[] {
  const trimmed = (text ?? '').trim()
  return trimmed === '' ? [] : trimmed.split(',', mostItems + 1).map((item) => item.trim())
}

function portList(option: string, text: string | undefined, star = false): number[] {
  return items(text).map((item, index) => {
    const port = /^[1-9]\d{0,4}$/.test(item) && index < mostItems ? Number(item) : 0
    if (port < 1 || port > 65535) {
      const mend = star
        ? "write ports from 1 to 65535 with commas between, or '*' alone for every port"
        : 'write ports from 1 to 65535 with commas between'
      throw new InterceptionError(
        'ERR_INTERCEPTION_PORT',
        `${option} has ${shown(item)}, which is no port`,
        mend,
      )
    }
    return port
  })
}

function onePort(option: string, text: string | undefined, fallback: number): number {
  const [port = fallback, ...more] = portList(option, text)
  if (more.length === 0) return port
  throw new InterceptionError(
    'ERR_INTERCEPTION_PORT',
    `${option} ${shown(text ?? '')} is a list`,
    'give one port',
  )
}

function networks(option: string, text: string | undefined, star = false): Networks {
  const v4: string[] = []
  const v6: string[] = []
  items(text).forEach((item, index) => {
    const cidr = index < mostItems ? parseCidr(item) : null
    if (cidr === null) {
      const mend = star
        ? "write networks like 10.0.0.0/8 with commas between, or '*' alone for every destination"
        : 'write networks like 10.0.0.0/8 with commas between'
      throw new InterceptionError(
        'ERR_INTERCEPTION_CIDR',
        `${option} has ${shown(item)}, which is no network`,
        mend,
      )
    }
    ;(cidr.network.family === 4 ? v4 : v6).push(`${formatIp(cidr.network)}/${cidr.length}`)
  })
  return { v4, v6 }
}

// IFNAMSIZ leaves 15 bytes; a final + stands for any ending (iptables(8)).
function interfaces(option: string, text: string | undefined): string[] {
  return items(text).map((item) => {
    if (
      /^[A-Za-z0-9_][A-Za-z0-9_.@:-]{0,14}$/.test(item) ||
      /^[A-Za-z0-9_][A-Za-z0-9_.@:-]{0,13}\+$/.test(item)
    )
      return item
    throw new InterceptionError(
      'ERR_INTERCEPTION_INTERFACE',
      `${option} has ${shown(item)}, which is no interface name`,
      'write names like eth0 with commas between',
    )
  })
}

function ids(option: string, text: string | undefined, byName: (name: string) => number | null): number[] {
  return items(text).map((item) => {
    // 2^32 - 1 means "no id" to the kernel.
    const id = /^\d{1,10}$/.test(item)
      ? Number(item)
      : /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/.test(item)
        ? byName(item)
        : null
    if (id !== null && id < 0xffffffff) return id
    throw new InterceptionError(
      'ERR_INTERCEPTION_OWNER',
      `${option} has ${shown(item)}, which is no known id or name`,
      'give numbers, or names this machine knows',
    )
  })
}

function ownerGroups(texts: RedirectTexts, accounts: Accounts): RedirectOptions['ownerGroups'] {
  // Blank means the default; read as an empty list it would let everybody's traffic go.
  const everybody = ['', '*'].includes((texts.outboundOwnerGroups ?? '').trim())
  const excluded = ids('ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE', texts.outboundOwnerGroupsExclude, (name) =>
    accounts.groupId(name),
  )
  if (everybody) return { except: true, groups: excluded }
  const groups = ids('ISTIO_OUTBOUND_OWNER_GROUPS', texts.outboundOwnerGroups, (name) =>
    accounts.groupId(name),
  )
  if (excluded.length > 0) {
    throw new InterceptionError(
      'ERR_INTERCEPTION_OWNER',
      'owner groups are both included and excluded',
      'set only one of ISTIO_OUTBOUND_OWNER_GROUPS and ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE',
    )
  }
  if (groups.length > mostOwnerGroups) {
    throw new InterceptionError(
      'ERR_INTERCEPTION_OWNER',
      `ISTIO_OUTBOUND_OWNER_GROUPS lists ${groups.length} groups`,
      `list ${mostOwnerGroups} at most`,
    )
  }
  return { except: false, groups }
}

function loopbackV4(text: string | undefined): string {
  const cidr = parseCidr((text ?? '').trim() || '127.0.0.1/32')
  if (cidr !== null && cidr.network.family === 4 && cidr.length >= 8 && cidr.network.d >>> 24 === 127) {
    return `${formatIp(cidr.network)}/${cidr.length}`
  }
  throw new InterceptionError(
    'ERR_INTERCEPTION_CIDR',
    `ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR ${shown(text ?? '')} is not within 127.0.0.0/8`,
    'give a network from 127.0.0.0/8 down to one address, or leave it unset',
  )
}

// What a user typed goes into one line, quoted and bounded.
function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text)
}
