/**
 * Who this sidecar stands beside: a WorkloadEntry file on a VM, or what the injector wrote into a pod's environment and
 * downward files (dataplane §1.3, §1.4). It reads; it never guesses an identity.
 */
import { readFileSync } from 'node:fs'
import { formatIp, parseIp } from '../address/ip.ts'
import type { Workload } from '../policy/workload.ts'
import { readDocuments } from '../policy/read-documents.ts'
import { BootstrapError } from './bootstrap-error.ts'

/** Environment variables, as the process has them. */
export type Environment = Readonly<Record<string, string | undefined>>

const podLabels = '/etc/istio/pod/labels'

export function readWorkload(file: string | null, env: Environment): Workload {
  return file === null ? fromPod(env) : fromEntry(file)
}

function fromEntry(file: string): Workload {
  const { resources, problems } = readDocuments(readText(file), file)
  const [problem] = problems
  if (problem !== undefined) throw wrong(file, problem.reason)
  const entry = resources.find(({ kind }) => kind === 'WorkloadEntry')
  if (entry === undefined) throw wrong(file, 'no WorkloadEntry in it')
  const spec = (entry.object['spec'] ?? {}) as Record<string, unknown>
  const labels = ownLabels(file, spec['labels'] ?? {})
  const account = spec['serviceAccount'] ?? 'default'
  if (typeof account !== 'string') throw wrong(file, 'spec.serviceAccount: expected text')
  if (typeof spec['address'] !== 'string') throw wrong(file, 'spec.address: expected an IP address')
  return {
    name: entry.meta.name,
    namespace: entry.meta.namespace,
    serviceAccount: account,
    labels: { ...entry.meta.labels, ...labels },
    addresses: [address(file, spec['address'])],
  }
}

// A label that is no text (`version: 1`) matches no selector: the policies meant for this workload would not apply to it.
function ownLabels(file: string, found: unknown): Record<string, string> {
  if (typeof found !== 'object' || found === null || Array.isArray(found))
    throw wrong(file, 'spec.labels: expected a map of text')
  for (const [name, value] of Object.entries(found)) {
    if (typeof value !== 'string') throw wrong(file, `spec.labels.${name}: expected text, so quote it`)
  }
  return found as Record<string, string>
}

function fromPod(env: Environment): Workload {
  const name = env['POD_NAME'] ?? env['ISTIO_META_WORKLOAD_NAME']
  const namespace = env['POD_NAMESPACE']
  const ip = env['INSTANCE_IP']
  if (!name || !namespace || !ip) {
    throw new BootstrapError(
      'ERR_BOOTSTRAP_WORKLOAD',
      'this workload is unknown: neither --workload nor POD_NAME, POD_NAMESPACE and INSTANCE_IP are given',
      'give --workload FILE with a WorkloadEntry',
    )
  }
  return {
    name: env['ISTIO_META_WORKLOAD_NAME'] ?? name,
    namespace,
    serviceAccount: env['SERVICE_ACCOUNT'] ?? 'default',
    labels: downwardLabels(),
    addresses: ip.split(',').map((text) => address('INSTANCE_IP', text.trim())),
  }
}

// The downward API writes one `key="value"` a line, escaped as a Go string.
function downwardLabels(): Record<string, string> {
  let text: string
  try {
    text = readFileSync(podLabels, 'utf8')
  } catch {
    return {}
  }
  const labels: Record<string, string> = {}
  for (const line of text.split('\n')) {
    const at = line.indexOf('=')
    if (at <= 0) continue
    try {
      labels[line.slice(0, at)] = JSON.parse(line.slice(at + 1)) as string
    } catch {
      throw wrong(podLabels, `line ${JSON.stringify(line.slice(0, 60))} is no label`)
    }
  }
  return labels
}

function address(where: string, text: string): string {
  const ip = parseIp(text)
  if (ip === null) throw wrong(where, `${JSON.stringify(text.slice(0, 60))} is no IP address`)
  return formatIp(ip)
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? 'unreadable'
    throw new BootstrapError(
      'ERR_BOOTSTRAP_FILE',
      `cannot read ${file}: ${why}`,
      'check the path and its permissions',
      { cause },
    )
  }
}

function wrong(where: string, what: string): BootstrapError {
  return new BootstrapError(
    'ERR_BOOTSTRAP_WORKLOAD',
    `${where}: ${what}`,
    'give a WorkloadEntry with name, namespace, address and serviceAccount',
  )
}
