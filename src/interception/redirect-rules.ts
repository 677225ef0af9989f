/**
 * The rules of REDIRECT mode, in the order that gives them their meaning (dataplane §2.1, trap 28). Pure: options in, rules
 * out; nothing here runs a command or knows what the kernel holds.
 */
import type { RedirectOptions } from './redirect-options.ts'
import type { Family, Rule, RuleSet } from './rule.ts'

export function redirectRules(options: RedirectOptions, family: Family): RuleSet {
  const rules = [
    ...interfaceRules(options),
    ...targetRules(options),
    ...inboundRules(options),
    ...outboundExemptions(options, family),
    ...outboundCapture(options, family),
  ]
  const jumped = new Set(rules.map((rule) => rule.chain).filter((chain) => chain.startsWith('ISTIO_')))
  return { family, table: 'nat', chains: [...jumped], rules }
}

function append(chain: string, words: string): Rule {
  return { chain, at: 'append', words: words.split(' ') }
}

function insert(chain: string, words: string): Rule {
  return { chain, at: 'insert', words: words.split(' ') }
}

function interfaceRules(options: RedirectOptions): Rule[] {
  return [
    ...options.excludeInterfaces.flatMap((name) => [
      append('PREROUTING', `-i ${name} -j RETURN`),
      append('OUTPUT', `-o ${name} -j RETURN`),
    ]),
    ...options.virtualInterfaces.map((name) => insert('PREROUTING', `-i ${name} -j RETURN`)),
  ]
}

function targetRules(options: RedirectOptions): Rule[] {
  return [
    append('ISTIO_INBOUND', `-p tcp --dport ${options.tunnelPort} -j RETURN`),
    append('ISTIO_REDIRECT', `-p tcp -j REDIRECT --to-ports ${options.outboundPort}`),
    append('ISTIO_IN_REDIRECT', `-p tcp -j REDIRECT --to-ports ${options.inboundPort}`),
  ]
}

function inboundRules(options: RedirectOptions): Rule[] {
  const jump = append('PREROUTING', '-p tcp -j ISTIO_INBOUND')
  if (options.inboundPorts === '*') {
    return [
      jump,
      ...options.inboundExcludePorts.map((port) =>
        append('ISTIO_INBOUND', `-p tcp --dport ${port} -j RETURN`),
      ),
      append('ISTIO_INBOUND', '-p tcp -j ISTIO_IN_REDIRECT'),
    ]
  }
  if (options.inboundPorts.length === 0) return []
  // What is not listed is not captured, so the excluded ports say nothing here.
  return [
    jump,
    ...options.inboundPorts.map((port) =>
      append('ISTIO_INBOUND', `-p tcp --dport ${port} -j ISTIO_IN_REDIRECT`),
    ),
  ]
}

function outboundExemptions(options: RedirectOptions, family: Family): Rule[] {
  const [loopback, marker] =
    family === 'ipv4'
      ? [options.loopback.v4, options.inboundSource.v4]
      : [options.loopback.v6, options.inboundSource.v6]
  const owner = (kind: 'uid' | 'gid', id: number): Rule[] => [
    // The proxy dialling its own pod address (a service VIP of ours) comes back in through the inbound side.
    append(
      'ISTIO_OUTPUT',
      `-o lo ! -d ${loopback} -p tcp ! --dport ${options.tunnelPort} -m owner --${kind}-owner ${id} -j ISTIO_IN_REDIRECT`,
    ),
    ...(capturesLoopback(options)
      ? []
      : [append('ISTIO_OUTPUT', `-o lo -m owner ! --${kind}-owner ${id} -j RETURN`)]),
    append('ISTIO_OUTPUT', `-m owner --${kind}-owner ${id} -j RETURN`),
  ]
  return [
    append('OUTPUT', '-j ISTIO_OUTPUT'),
    ...options.outboundExcludePorts.flatMap((port) => [
      append('ISTIO_OUTPUT', `-p tcp --dport ${port} -j RETURN`),
      append('ISTIO_OUTPUT', `-p udp --dport ${port} -j RETURN`),
    ]),
    append('ISTIO_OUTPUT', `-o lo -s ${marker} -j RETURN`),
    ...options.proxyUsers.flatMap((id) => owner('uid', id)),
    ...options.proxyGroups.flatMap((id) => owner('gid', id)),
    ...ownerGroupRules(options),
    append('ISTIO_OUTPUT', `-d ${loopback} -j RETURN`),
  ]
}

function ownerGroupRules({ ownerGroups }: RedirectOptions): Rule[] {
  if (ownerGroups.except)
    return ownerGroups.groups.map((id) => append('ISTIO_OUTPUT', `-m owner --gid-owner ${id} -j RETURN`))
  const noneOf = ownerGroups.groups.map((id) => `-m owner ! --gid-owner ${id}`).join(' ')
  return [append('ISTIO_OUTPUT', `${noneOf} -j RETURN`)]
}

function outboundCapture(options: RedirectOptions, family: Family): Rule[] {
  const key = family === 'ipv4' ? 'v4' : 'v6'
  const included = options.outboundNetworks
  const excludes = options.outboundExcludeNetworks[key].map((cidr) =>
    append('ISTIO_OUTPUT', `-d ${cidr} -j RETURN`),
  )
  const ports = options.outboundPorts.map((port) =>
    append('ISTIO_OUTPUT', `-p tcp --dport ${port} -j ISTIO_REDIRECT`),
  )
  // From the machine within the pod (KubeVirt) packets arrive in PREROUTING.
  const from = (more: string): Rule[] =>
    options.virtualInterfaces.map((name) => insert('PREROUTING', `-i ${name}${more} -j ISTIO_REDIRECT`))
  const networks =
    included === '*'
      ? [append('ISTIO_OUTPUT', '-j ISTIO_REDIRECT'), ...from('')]
      : included[key].flatMap((cidr) => [
          ...from(` -d ${cidr}`),
          append('ISTIO_OUTPUT', `-d ${cidr} -j ISTIO_REDIRECT`),
        ])
  return [...excludes, ...ports, ...networks]
}

// Whoever lists a loopback network wants it captured: the rule that lets the application's loopback traffic go is left out.
function capturesLoopback(options: RedirectOptions): boolean {
  if (options.outboundNetworks === '*') return false
  const { v4, v6 } = options.outboundNetworks
  return v4.some((cidr) => cidr.startsWith('127.')) || v6.includes('::1/128')
}
