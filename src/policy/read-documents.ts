/**
 * The text of one configuration file to its Kubernetes-shaped objects, each with file and line; YAML or JSON, several
 * documents, `kind: List` expanded. A bad document is reported and hides no other; specs are not looked at here.
 */
import { nearest } from '../decode/decode.ts'
import { expected, quoted } from '../decode/decode-problem.ts'
import { rawResource } from './raw-resource.ts'
import type { RawResource } from './resource.ts'
import { readYaml } from './yaml-document.ts'
import { limits } from './yaml-limits.ts'

export interface Documents {
  readonly resources: RawResource[]
  readonly problems: { origin: string; reason: string }[]
}

/** Kind given to the plain MeshConfig object of a file called `mesh.yaml`, `mesh.yml` or `mesh.json`. */
export const meshConfigKind = 'MeshConfig'

const meshFile = /(^|[/\\])mesh\.(ya?ml|json)$/

const security = ['AuthorizationPolicy', 'PeerAuthentication', 'RequestAuthentication']
const legacy = ['Policy', 'MeshPolicy']

// Damaged documents of these kinds are passed on, so that their scope is closed; others are only reported.
const guarded = new Set([...security, ...legacy, 'DestinationRule'])

/** Many systems have a kind of such a name; a group that surely is another's says so. */
function isGuarded(object: Readonly<Record<string, unknown>>): boolean {
  const { apiVersion, kind } = object
  if (!guarded.has(String(kind))) return false
  return typeof apiVersion !== 'string' || !apiVersion.includes('/') || apiVersion.includes('istio')
}

/** Never throws. `file` stands in origins as given; only its last part is judged. */
export function readDocuments(text: string, file: string): Documents {
  const found: Documents = { resources: [], problems: [] }
  if (text.length > limits.file) {
    found.problems.push({ origin: `${file}:1`, reason: `file larger than ${limits.file} characters` })
    return found
  }
  for (const { text: part, line } of split(text.replace(/^\uFEFF/, ''))) {
    const read = readYaml(part)
    const place = (offset: number): string => `${file}:${line + offset + 1}`
    if (read.problem !== null && !passOn(read.value)) {
      found.problems.push({ origin: place(read.problem.line), reason: read.problem.reason })
      continue
    }
    const lineOf = (index: number): string => place(read.itemLines[index] ?? read.line)
    const damage =
      read.problem === null ? undefined : `${read.problem.reason} (line ${line + read.problem.line + 1})`
    collect(read.value, place(read.line), lineOf, damage, found)
  }
  return found
}

function collect(
  value: unknown,
  origin: string,
  itemOrigin: (index: number) => string,
  damage: string | undefined,
  into: Documents,
): void {
  if (value === undefined || value === null) return
  if (typeof value !== 'object' || Array.isArray(value)) {
    into.problems.push({ origin, reason: 'expected an object with apiVersion and kind' })
    return
  }
  const object = value as Record<string, unknown>
  const { apiVersion, kind } = object
  if (apiVersion === undefined && kind === undefined && meshFile.test(origin.replace(/:\d+$/, ''))) {
    into.resources.push({ ...rawResource(object, origin, damage), kind: meshConfigKind })
    return
  }
  const meant = isList(object) ? null : meantKind(apiVersion, kind)
  if (meant !== null) {
    const { message } = expected(`${meant}, as far as can be told`, kind, 'kind')
    into.resources.push({ ...rawResource(object, origin, damage ?? message), kind: meant })
    return
  }
  if (typeof kind !== 'string' || kind === '' || typeof apiVersion !== 'string' || apiVersion === '') {
    const missing = typeof kind !== 'string' || kind === '' ? 'kind' : 'apiVersion'
    // A policy that only forgot its version is still a policy.
    if (missing === 'apiVersion' && isGuarded(object)) {
      into.resources.push(rawResource(object, origin, damage ?? 'apiVersion: must be set'))
    } else into.problems.push({ origin, reason: `${missing}: must be set to text` })
    return
  }
  if (!isList(object)) {
    into.resources.push(rawResource(object, origin, damage))
    return
  }
  const { items } = object
  if (!Array.isArray(items)) {
    // An empty list of an API server may say `items: null`.
    if (items !== null)
      into.problems.push({ origin, reason: `items of kind ${quoted(kind)}: expected a list` })
    return
  }
  // Typed lists (`AuthorizationPolicyList`) leave kind and version out of their items.
  const inherited = kind === 'List' ? {} : { apiVersion, kind: kind.slice(0, -'List'.length) }
  items.forEach((item: unknown, index) => {
    const place = itemOrigin(index)
    const whole =
      typeof item === 'object' && item !== null && !Array.isArray(item) ? { ...inherited, ...item } : item
    if (whole === null)
      into.problems.push({ origin: place, reason: `items[${index}]: expected an object, found null` })
    else if (isList(whole))
      into.problems.push({ origin: place, reason: 'a list inside a list is not expanded' })
    else collect(whole, place, itemOrigin, damage, into)
  })
}

/**
 * An object of a group that guards whose kind nobody knows: the kind it was meant to be, so that its scope closes. An
 * unread policy would open what it was written to close.
 */
function meantKind(apiVersion: unknown, kind: unknown): string | null {
  if (typeof apiVersion !== 'string' || (typeof kind === 'string' && kind.endsWith('List'))) return null
  const named = typeof kind === 'string' ? kind : ''
  const ofSecurity = apiVersion.startsWith('security.istio.io/')
  if (guarded.has(named) && !(ofSecurity && legacy.includes(named))) return null
  if (ofSecurity) return nearest(named, [...security, 'DestinationRule']) ?? 'AuthorizationPolicy'
  if (apiVersion.startsWith('authentication.istio.io/')) return nearest(named, legacy) ?? 'Policy'
  return apiVersion.startsWith('networking.istio.io/') ? nearest(named, ['DestinationRule']) : null
}

function isList(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false
  return (
    value.kind === 'List' ||
    (typeof value.kind === 'string' && value.kind.endsWith('List') && 'items' in value)
  )
}

function passOn(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false
  if (isGuarded(value as Record<string, unknown>)) return true
  return isList(value) && 'items' in value && Array.isArray(value.items) && value.items.length > 0
}

// `---` or `...` at the start of a line ends a document wherever it stands (YAML 1.2 §9.1.2), even within a quoted
// text; so documents can be told apart before any of them is parsed, and a broken one cannot swallow the next.
function* split(text: string): Generator<{ text: string; line: number }> {
  let start = 0
  let current: string[] = []
  const lines = text.split(/\r?\n/)
  for (const [index, line] of lines.entries()) {
    if (/^---(\s|$)/.test(line) || /^\.\.\.(\s|$)/.test(line)) {
      if (current.some(hasContent)) yield { text: current.join('\n'), line: start }
      const rest = line.startsWith('---') ? `   ${line.slice(3)}` : ''
      current = [rest]
      start = index
    } else current.push(line)
  }
  if (current.some(hasContent)) yield { text: current.join('\n'), line: start }
}

const hasContent = (line: string): boolean => !/^\s*(#.*|%.*)?$/.test(line)
