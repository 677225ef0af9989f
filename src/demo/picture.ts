/** What runs, drawn for people, and what to type next. Pure text made from the topology. */
import { fileNames } from './configuration/starting-files.ts'
import { demoPorts } from './topology.ts'
import type { Tier, Topology } from './topology.ts'

const inner = 28

export function picture(topology: Topology): string {
  const { frontend, backend, datastore, meshAddress } = topology
  const boxes = topology.tiers.map(box)
  const rows = boxes[0]?.map((_, row) => {
    const gap = row === 2 ? ' ══> ' : '     '
    return `  ${boxes.map((lines) => lines[row]).join(gap)}`
  })
  const width = (inner + 2) * 3 + 10
  const control = ` control plane ${meshAddress}:${demoPorts.mesh} (certificate authority and configuration) `
  return [
    ...(rows ?? []),
    `  ${centred('every ══> is mutual TLS between two sidecars; certificates and policy come from', width)}`,
    `  ${centred(`[${control}]`, width)}`,
    '',
    `  ${frontend.name} may call ${backend.name}, ${backend.name} may call ${datastore.name};`,
    `  ${frontend.name} may not call ${datastore.name}. People may call ${frontend.name} without a certificate.`,
  ].join('\n')
}

function box({ name, namespace, address, serviceAccount }: Tier): string[] {
  const line = (text: string): string => `│ ${text.padEnd(inner - 2)} │`
  const port = (what: string, number: number): string => line(`${what.padEnd(15)}:${number}`)
  return [
    `┌ ${name} ${'─'.repeat(inner - name.length - 2)}┐`,
    line(address),
    line(`ns/${namespace}`),
    line(`sa/${serviceAccount}`),
    port('sidecar, HTTP', demoPorts.http),
    port('sidecar, TCP', demoPorts.echo),
    port('outbound proxy', demoPorts.outbound),
    port('admin', demoPorts.admin),
    `└${'─'.repeat(inner)}┘`,
  ]
}

function centred(text: string, width: number): string {
  return `${' '.repeat(Math.max(0, Math.floor((width - text.length) / 2)))}${text}`
}

/** Lines to copy; every one works as it stands. */
export function thingsToTry({ frontend, backend, datastore }: Topology, config: string): string {
  const proxy = `http://${frontend.address}:${demoPorts.outbound}`
  const policy = `${config}/${fileNames.backendPolicy}`
  const admin = `http://${frontend.address}:${demoPorts.admin}`
  return [
    'Try, in another terminal:',
    '',
    '  # through all three tiers',
    `  curl http://${frontend.address}:${demoPorts.http}/photos`,
    `  # as ${frontend.name}: allowed; the server learns who called`,
    `  curl -x ${proxy} http://${backend.shortName}/whoami`,
    `  # as ${frontend.name}: forbidden, 403 RBAC: access denied`,
    `  curl -i -x ${proxy} http://${datastore.shortName}/hello`,
    '  # without a certificate: closed',
    `  curl http://${backend.address}:${demoPorts.http}/hello`,
    '  # what a sidecar holds and counts',
    `  curl ${admin}/certs`,
    `  curl ${admin}/clusters`,
    `  curl ${admin}/stats/prometheus`,
    '  # change the rules while they rule: these files are in force, whatever you save takes effect at once',
    `  ls ${config}`,
    `  sed -i.bak 's/sa\\/${frontend.name}/sa\\/nobody/' ${policy}   # now call again; to undo:`,
    `  mv ${policy}.bak ${policy}`,
    '',
    'Requests appear below as they happen. Ctrl-C ends everything.',
  ].join('\n')
}
