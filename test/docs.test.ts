/**
 * The documents against the source: what the program can say is documented, and what the documents name exists. It judges
 * names and links, not sentences.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { ports } from '../src/bootstrap/ports.ts'
import { decodeResource } from '../src/policy/decode-resource.ts'
import { decodeAuthorizer } from '../src/policy/extension-provider.ts'
import { defaultMeshConfig } from '../src/policy/decode-mesh-config.ts'
import { readDocuments } from '../src/policy/read-documents.ts'
import { responseFlags } from '../src/dataplane/response-flag.ts'
import { accessLine } from '../src/telemetry/access-line.ts'
import { AccessRecord } from '../src/telemetry/access-record.ts'

const read = (file: string): string => readFileSync(file, 'utf8')
const sources = globSync('src/**/*.ts').toSorted()
const documents = [
  ...globSync('*.md'),
  ...globSync('{docs,deploy,iptables,bench}/**/*.md').filter((file) => !file.includes('node_modules')),
].toSorted()
const operating = read('docs/operating.md')

/** Text between backticks of a document. */
const quoted = (text: string): Set<string> =>
  new Set([...text.matchAll(/`([^`\n]+)`/g)].map((found) => found[1] ?? ''))
const missing = (wanted: Iterable<string>, from: Set<string>): string[] =>
  [...new Set(wanted)].filter((one) => !from.has(one)).toSorted()

/** Codes of Node and OpenSSL, which this program reads and never raises. */
const foreignCode = /^ERR_(SSL_|TLS_|UNKNOWN$)|_$/

test('every error code is documented, and every documented code exists', () => {
  const used = sources.flatMap((file) => [...read(file).matchAll(/\bERR_[A-Z0-9_]+/g)].map(([code]) => code))
  const raised = new Set(used.filter((code) => !foreignCode.test(code)))
  const documented = new Set(
    [...read('docs/errors.md').matchAll(/^\| `(ERR_[A-Z0-9_]+)` \|/gm)].map((found) => found[1] ?? ''),
  )
  assert.deepEqual(
    { undocumented: missing(raised, documented), unknown: missing(documented, raised) },
    { undocumented: [], unknown: [] },
  )
})

test('every metric is documented, and every documented metric exists', () => {
  const names = [...globSync('src/telemetry/*.ts'), ...globSync('src/cli/*.ts')].flatMap((file) =>
    [...read(file).matchAll(/'((?:istio|sallyport)_[a-z0-9_]+)'/g)].map((found) => found[1] ?? ''),
  )
  const made = new Set(names)
  assert.ok(made.size > 15, `only ${made.size} metrics found in the source`)
  const documented = new Set(
    [...quoted(operating)].filter((name) => /^(istio|sallyport)_[a-z0-9_]+$/.test(name)),
  )
  assert.deepEqual(
    { undocumented: missing(made, documented), unknown: missing(documented, made) },
    { undocumented: [], unknown: [] },
  )
})

test('every port of the table is documented', () => {
  const rows = new Set([...operating.matchAll(/^\| (\d+) \|/gm)].map((found) => found[1] ?? ''))
  const table = Object.values(ports).map(String)
  assert.deepEqual([missing(table, rows), missing(rows, new Set(table))], [[], []])
})

test('every key of the access log is documented, and every documented key is written', () => {
  const written = new Set(Object.keys(JSON.parse(accessLine(new AccessRecord())) as object))
  const section = /## Access log\n([\s\S]*?)\n## /.exec(operating)?.[1] ?? ''
  const documented = new Set(
    [...section.matchAll(/^\| (`[^|]+) \|/gm)].flatMap((found) => [...quoted(found[1] ?? '')]),
  )
  assert.deepEqual([missing(written, documented), missing(documented, written)], [[], []])
})

test('every key of the decision log is documented, and every documented key is written', () => {
  const schema = /export interface DecisionLine \{\n([\s\S]*?)\n\}/.exec(
    read('src/telemetry/decision-line.ts'),
  )
  const written = new Set(
    [...(schema?.[1] ?? '').matchAll(/^ {2}readonly (\w+):/gm)].map(([, key = '']) => key),
  )
  assert.ok(written.size > 25, `only ${written.size} keys found in the source`)
  const section = /## Schema[^\n]*\n([\s\S]*?)\n## /.exec(read('docs/decision-log.md'))?.[1] ?? ''
  const documented = new Set(
    [...section.matchAll(/^\| (`[^|]+) \|/gm)].flatMap((found) => [...quoted(found[1] ?? '')]),
  )
  assert.deepEqual([missing(written, documented), missing(documented, written)], [[], []])
})

test('every response flag is documented with its fault, status and meaning', () => {
  for (const [flag, { fault, status, meaning }] of Object.entries(responseFlags)) {
    const row = `| \`${flag}\` | ${fault} | ${status === 0 ? 'none' : status} | ${meaning} |`
    assert.ok(operating.includes(row), `docs/operating.md lacks ${row}`)
  }
})

test('every reason for which a connection is refused is documented, and every documented one exists', () => {
  const dataplane = globSync('src/dataplane/**/*.ts').map(read).join('\n')
  const given = [...dataplane.matchAll(/refuseConnection\(([^;]*?)\)(?:;|\n)/g)].flatMap(([, call = '']) =>
    [...call.matchAll(/'([a-z]+(?:_[a-z]+)+)'/g)].map((found) => found[1] ?? ''),
  )
  assert.ok(given.length > 5, `only ${given.length} reasons found in the source`)
  const handshake = [...read('src/tls/handshake.ts').matchAll(/^ {2}\| '([a-z_]+)'/gm)].map(
    (found) => `tls_${found[1] ?? ''}`,
  )
  const section = /\nReasons of refused connections:\n([\s\S]*?)\n## /.exec(operating)?.[1] ?? ''
  const documented = new Set(
    [...section.matchAll(/^\| (`[^|]+) \|/gm)].flatMap((found) => [...quoted(found[1] ?? '')]),
  )
  assert.deepEqual(missing(given, documented), [])
  const unknown = [...documented].filter(
    (reason) => !handshake.includes(reason) && !new RegExp(`\\b${reason}\\b`).test(dataplane),
  )
  assert.deepEqual(unknown, [])
})

test('every admin page and command is documented, and every documented one exists', () => {
  const code = ['src/cli/sidecar-admin.ts', 'src/admin/admin-server.ts'].map(read).join('\n')
  const served = [...code.matchAll(/'(\/[a-z][a-z_/]+)'/g)]
    .map((found) => found[1] ?? '')
    .filter((page) => !['/help', '/healthz/ready'].includes(page))
  const documented = [...operating.matchAll(/^\| `(?:GET|POST) (\/[a-z_/]+)` \|/gm)].map(
    (found) => found[1] ?? '',
  )
  assert.deepEqual([missing(served, new Set(documented)), missing(documented, new Set(served))], [[], []])
})

test('relative links lead to files', () => {
  const broken = documents.flatMap((file) =>
    [...read(file).matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)]
      .map((found) => found[1] ?? '')
      .filter((link) => !/^[a-z]+:/.test(link) && !existsSync(join(dirname(file), link)))
      .map((link) => `${file} -> ${link}`),
  )
  assert.deepEqual(broken, [])
})

test('every source or test file a document names exists', () => {
  const lost = documents.flatMap((file) =>
    [...quoted(read(file))]
      .flatMap(
        (text) => text.match(/\b(?:src|test|bench|deploy|iptables|docs|scripts)\/[\w./-]*\w\.\w+/g) ?? [],
      )
      .filter((path) => !path.startsWith('bench/results/') && !existsSync(path))
      .map((path) => `${file}: ${path}`),
  )
  assert.deepEqual(lost, [])
})

for (const document of ['docs/conformance.md', 'docs/policy.md'])
  test(`every test that ${document} names exists in its file`, () => {
    const page = read(document)
    // A file, a colon, and its tests in curly quotes, up to the next file or the end of the cell.
    const rows = [...page.matchAll(/`(test\/[\w./-]+\.test\.ts)`: ((?:(?!`test\/)[^|\n])+)/g)]
    const named = rows.flatMap(([, file = '', names = '']) =>
      [...names.matchAll(/“([^”]+)”/g)].map((found) => ({ file, name: found[1] ?? '' })),
    )
    assert.equal(named.length, (page.match(/“/g) ?? []).length, 'a test is named outside a list of its file')
    const lost = named.filter(
      ({ file, name }) => !(existsSync(file) ? read(file).replaceAll("\\'", "'") : '').includes(name),
    )
    assert.deepEqual(lost, [])
  })

const policyPage = read('docs/policy.md')

/** Rows of the table below a heading: what stands in backticks in the first cell, and the last cell. */
function fieldRows(heading: string): { fields: string[]; shownBy: string }[] {
  const [, section = ''] = policyPage.split(`\n${heading}\n`)
  const [own = ''] = section.split(/\n#+ /)
  const rows = own.split('\n').filter((line) => line.startsWith('| ') && !/^\| (field|key) \|/.test(line))
  assert.ok(rows.length > 0, `no table below ${heading}`)
  return rows.map((row) => {
    const cells = row.split(' | ')
    return { fields: [...quoted(cells[0] ?? '')], shownBy: cells.at(-1) ?? '' }
  })
}

// A field nobody has makes the decoder name those it knows.
const unknown = { zzzzzzzz: 1 }
const inRule = (rule: object): object => ({ rules: [rule] })
const inTraffic = (trafficPolicy: object): object => ({ host: 'a', trafficPolicy })
const inTrigger = (rule: object): object => ({ origins: [{ jwt: { issuer: 'i', triggerRules: [rule] } }] })
const decoded: [heading: string, kind: string, spec: object][] = [
  ['## AuthorizationPolicy', 'AuthorizationPolicy', unknown],
  ['## AuthorizationPolicy', 'AuthorizationPolicy', { selector: unknown }],
  ['## AuthorizationPolicy', 'AuthorizationPolicy', { action: 'CUSTOM', provider: unknown, rules: [{}] }],
  ['### Source', 'AuthorizationPolicy', inRule({ from: [{ source: unknown }] })],
  ['### Operation', 'AuthorizationPolicy', inRule({ to: [{ operation: unknown }] })],
  ['## RequestAuthentication', 'RequestAuthentication', unknown],
  ['### jwtRules', 'RequestAuthentication', { jwtRules: [unknown] }],
  ['## PeerAuthentication', 'PeerAuthentication', unknown],
  ['## PeerAuthentication', 'PeerAuthentication', { mtls: unknown }],
  ['## Legacy policies: Policy and MeshPolicy', 'Policy', unknown],
  ['## Legacy policies: Policy and MeshPolicy', 'Policy', { targets: [unknown] }],
  ['## Legacy policies: Policy and MeshPolicy', 'Policy', { targets: [{ name: 'a', ports: [unknown] }] }],
  ['## Legacy policies: Policy and MeshPolicy', 'Policy', { peers: [unknown] }],
  ['## Legacy policies: Policy and MeshPolicy', 'Policy', { peers: [{ mtls: unknown }] }],
  ['## Legacy policies: Policy and MeshPolicy', 'Policy', { origins: [unknown] }],
  ['### Origins', 'Policy', { origins: [{ jwt: unknown }] }],
  ['### Origins', 'Policy', inTrigger(unknown)],
  ['### Origins', 'Policy', inTrigger({ excludedPaths: [unknown] })],
  ['## DestinationRule', 'DestinationRule', { host: 'a', ...unknown }],
  ['### trafficPolicy', 'DestinationRule', inTraffic(unknown)],
  ['### tls', 'DestinationRule', inTraffic({ tls: unknown })],
]

test('every field of an external authorizer is in docs/policy.md with the test that shows it', () => {
  const rows = fieldRows('## External authorizers: CUSTOM')
  const written = new Set(rows.flatMap(({ fields }) => fields))
  for (const kind of ['http', 'grpc'] as const) {
    const found = decodeAuthorizer(kind, unknown, '')
    const [, list] = /expected one of ([\w, ]+)$/.exec(found.ok ? '' : found.reason) ?? []
    assert.deepEqual(missing(list?.split(', ') ?? assert.fail(), written), [], kind)
  }
  for (const { fields, shownBy } of rows) assert.match(shownBy, /“/, fields.join(', '))
})

function fieldsKnown(kind: string, spec: object): string[] {
  const apiVersion =
    kind === 'Policy'
      ? 'authentication.istio.io/v1alpha1'
      : `${kind === 'DestinationRule' ? 'networking.istio.io' : 'security.istio.io'}/v1`
  const metadata = { name: 'targets' in spec || kind !== 'Policy' ? 'a' : 'default', namespace: 'a' }
  const text = JSON.stringify({ apiVersion, kind, metadata, spec })
  const [raw] = readDocuments(text, 'a.yaml').resources
  const found = decodeResource(raw ?? assert.fail(), defaultMeshConfig)
  const reason = found.kind === 'refused' ? found.quarantined.reason : ''
  const [, list] = /unknown field "zzzzzzzz"; expected one of ([\w, ]+)$/.exec(reason) ?? []
  return list?.split(', ') ?? assert.fail(`${kind}: ${reason}`)
}

test('every field of the policy kinds is in docs/policy.md with the test that shows it', () => {
  for (const [heading, kind, spec] of decoded) {
    const rows = fieldRows(heading)
    const written = new Set(rows.flatMap(({ fields }) => fields))
    const known = fieldsKnown(kind, spec)
    assert.ok(known.length > 0)
    assert.deepEqual(missing(known, written), [], `${heading}: ${kind} has more`)
    for (const { fields, shownBy } of rows) assert.match(shownBy, /“/, `${heading}: ${fields.join(', ')}`)
  }
})

test('every condition key and obeyed MeshConfig field is in docs/policy.md with the test that shows it', () => {
  const listed = (file: string, from: string, to: string): string[] => {
    const text = read(file)
    const part = text.slice(text.indexOf(from), text.indexOf(to, text.indexOf(from)))
    return [...part.matchAll(/^ {2}(?:\{ form: )?'([\w.[\]]+)'/gm)].map((found) => found[1] ?? '')
  }
  const keys = listed('src/policy/decode-values.ts', 'const grammars', '\nexport')
  assert.ok(keys.length >= 13, keys.join(', '))
  const mesh = listed('src/policy/decode-mesh-config.ts', 'const obeyed', '\n]')
  assert.ok(mesh.length >= 12, mesh.join(', '))
  for (const [heading, wanted] of [
    ['### Conditions', keys],
    ['## MeshConfig', mesh],
  ] as const) {
    const rows = fieldRows(heading)
    const written = new Set(rows.flatMap(({ fields }) => fields.map((field) => field.replace(/\[.*/, ''))))
    assert.deepEqual(
      missing(
        wanted.map((key) => key.replace(/\[.*/, '').replace(/\.name$/, '.…')),
        written,
      ),
      [],
      heading,
    )
    for (const { fields, shownBy } of rows) assert.match(shownBy, /“/, `${heading}: ${fields.join(', ')}`)
  }
})

const run = promisify(execFile)
const help = async (command: string): Promise<string> =>
  (await run(process.execPath, ['--no-warnings', 'src/main.ts', ...command.split(' '), '--help'])).stdout

/** Words of a command line up to where the shell takes over; continued lines are joined before. */
function calls(text: string): { command: string; options: string[] }[] {
  const found: { command: string; options: string[] }[] = []
  for (const line of text.replace(/\\\n\s*/g, ' ').split('\n')) {
    for (const [, rest = ''] of line.matchAll(/(?:\bsallyport(?:\.js)? |npm start -- )([^`|;)]*)/g)) {
      const words = (line.includes('npm start --') ? `demo ${rest}` : rest).trim().split(/\s+/)
      const [first = '', second = ''] = words
      if (!commands.includes(first)) continue
      const command = commands.includes(`${first} ${second}`) ? `${first} ${second}` : first
      found.push({
        command,
        options: words.filter((word) => /^--?[a-z]/.test(word)).map((word) => word.replace(/[,.:].*$/, '')),
      })
    }
  }
  return found
}
const commands = [
  'demo',
  'sidecar',
  'proxy',
  'agent',
  'mesh',
  'mesh token',
  'policy',
  'policy check',
  'policy diff',
  'policy eval',
  'policy explain',
  'policy test',
  'iptables',
  'iptables apply',
  'iptables clean',
  'iptables show',
]

test('every command and option that the documents show exists', async () => {
  const helps = new Map(
    await Promise.all(commands.map(async (command) => [command, await help(command)] as const)),
  )
  const shown = [...documents, ...globSync('deploy/**/*.{service,yaml}'), 'Dockerfile']
  const wrong = shown.flatMap((file) =>
    calls(read(file)).flatMap(({ command, options }) =>
      options
        .filter((option) => !optionsOf(helps.get(command) ?? '').has(option))
        .map((option) => `${file}: sallyport ${command} ${option}`),
    ),
  )
  assert.deepEqual(wrong, [])
  // The other way: what sidecar and mesh can be told is on the page.
  const documented = new Set([...operating.matchAll(/--[a-z-]+/g)].map(([option]) => option))
  for (const command of ['sidecar', 'proxy', 'agent', 'mesh', 'mesh token']) {
    const long = [...optionsOf(helps.get(command) ?? '')].filter((option) => option.startsWith('--'))
    assert.deepEqual(missing(long, documented), [], `sallyport ${command}`)
  }
})

function optionsOf(text: string): Set<string> {
  return new Set(
    [...text.matchAll(/^\s+(-\w, )?(--[a-z-]+)/gm)].flatMap((found) =>
      [found[1]?.slice(0, 2), found[2]].filter((option) => option !== undefined),
    ),
  )
}
