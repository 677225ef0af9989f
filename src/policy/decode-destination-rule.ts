/** DestinationRule, unknown to typed (policy-semantics §8.4); which rule a client obeys is `cluster/`'s question (§4.5). */
import { attempt, DecodeProblem } from '../decode/decode-problem.ts'
import type { Path } from '../decode/decode-problem.ts'
import { corner, items, optional, record, required, strings } from '../decode/decode.ts'
import { specFields } from './decode-meta.ts'
import { decodeSelector } from './decode-selector.ts'
import { decodeTrafficPolicy } from './decode-traffic-policy.ts'
import type { TrafficContext } from './decode-traffic-policy.ts'
import type { DestinationRule, Subset } from './destination-rule.ts'
import { decodeExportTo, dnsLabel, hostPattern } from './names.ts'
import type { RawResource, ResourceMeta } from './resource.ts'

export function decodeDestinationRule(
  raw: RawResource,
  meta: ResourceMeta,
  domain: string,
  warnings: string[],
): DestinationRule {
  const spec = specFields(raw, ['host', 'trafficPolicy', 'subsets', 'exportTo', 'workloadSelector'])
  const at = 'spec'
  const workloadSelector = decodeSelector(spec, at, warnings, 'workloadSelector')
  const exportTo =
    optional(spec, 'exportTo', at, (input, path) => decodeExportTo(input, path, meta.namespace)) ?? []
  const abroad = exportTo.find((target) => target !== '.' && target !== meta.namespace)
  if (workloadSelector !== null && abroad !== undefined) {
    throw new DecodeProblem(
      'spec.exportTo',
      `a rule with a workloadSelector stays in its namespace, found "${abroad}"`,
    )
  }
  const context: TrafficContext = { selected: workloadSelector !== null, warnings, notEvaluated: [] }
  const trafficPolicy = optional(spec, 'trafficPolicy', at, (input, path) =>
    decodeTrafficPolicy(input, path, context),
  )
  const subsets = items(spec, 'subsets', at, (input, path) => decodeSubset(input, path, context))
  subsets.forEach(({ name }, index) => {
    if (subsets.findIndex((other) => other.name === name) === index) return
    throw new DecodeProblem(`spec.subsets[${index}].name`, `the subset "${name}" is given twice`)
  })
  return {
    meta,
    host: fullHost(required(spec, 'host', at, hostPattern), meta.namespace, domain),
    trafficPolicy,
    subsets,
    exportTo,
    workloadSelector,
    quarantined: null,
    notEvaluated: context.notEvaluated,
  }
}

function decodeSubset(input: unknown, at: Path, context: TrafficContext): Subset {
  const fields = record(input, at, ['name', 'labels', 'trafficPolicy'])
  return {
    name: required(fields, 'name', at, dnsLabel),
    labels: optional(fields, 'labels', at, strings) ?? {},
    trafficPolicy: optional(fields, 'trafficPolicy', at, (entry, path) =>
      decodeTrafficPolicy(entry, path, context),
    ),
  }
}

/** A name without dots is a service of the rule's own namespace (policy-semantics §4.5). */
export function fullHost(host: string, namespace: string, domain: string): string {
  return host === '*' || host.includes('.') ? host : `${host}.${namespace}.svc.${domain}`
}

/** The host of a refused rule, for its stub; '' (no host at all) when it cannot be read. */
export function salvageHost(raw: RawResource, namespace: string, domain: string): string {
  const read = attempt(() => {
    const fields = corner(raw.object['spec'], 'spec', ['host'])
    return required(fields, 'host', 'spec', hostPattern)
  })
  return read.ok ? fullHost(read.value, namespace, domain) : ''
}
