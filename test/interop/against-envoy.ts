/**
 * Our engine against a real Envoy that is configured as Istio would: path normalization in Istio's four modes, tokens, and
 * the verdicts of random policies over HTTP, plaintext and mutual TLS. Run by hand: `ENVOY=/path/to/envoy npm run interop:envoy`,
 * with `-- --sets N --targets N --seed N` for more; it exits 1 when the two disagree beyond what docs/differences.md says.
 */
import { parseArgs } from 'node:util'
import { parseIp, type Ip } from '../../src/address/ip.ts'
import { authorize, bind } from '../../src/authz/authorize.ts'
import { compile } from '../../src/authz/compile.ts'
import { ConnectionContext, RequestContext } from '../../src/authz/request-context.ts'
import { normalizePath, type PathNormalizationMode } from '../../src/match/path-normalization.ts'
import type { AuthorizationPolicy } from '../../src/policy/authorization-policy.ts'
import { pathTemplateProblem } from '../../src/policy/path-template.ts'
import { tokenOf } from '../authz/judge.ts'
import { keySet, signer, token } from '../jwt/issuer.ts'
import { randomCase, seededRandom, type Case } from '../support/random-policies.ts'
import { createTestCa, type Issued, type TestCa } from '../support/test-ca.ts'
import { rbacFilters, tokenFilter } from './as-rbac.ts'
import { compareTokens } from './compare-tokens.ts'
import { RawCaller, RunningEnvoy, type EnvoyListener, type Reply } from './running-envoy.ts'

const binary = process.env['ENVOY']
if (binary === undefined) throw new Error('set ENVOY to the path of an Envoy')
const { values } = parseArgs({
  options: { sets: { type: 'string' }, targets: { type: 'string' }, seed: { type: 'string' } },
})
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
const say = (line: string): void => void process.stdout.write(`${line}\n`)
let disagreements = 0
function disagree(what: string): void {
  disagreements += 1
  if (disagreements <= 20) say(`✗ ${what}`)
}

async function comparePaths(count: number): Promise<void> {
  const normalize = { normalize_path: true }
  const merge = { ...normalize, merge_slashes: true }
  const modes: [PathNormalizationMode, object][] = [
    ['NONE', { normalize_path: false }],
    ['BASE', normalize],
    ['MERGE_SLASHES', merge],
    ['DECODE_AND_MERGE_SLASHES', { ...merge, path_with_escaped_slashes_action: 'UNESCAPE_AND_FORWARD' }],
  ]
  const listeners = modes.map(([, settings]) => ({ address: '127.0.0.1', settings, filters: () => [] }))
  const envoy = await RunningEnvoy.start(binary as string, listeners)
  const callers = envoy.ports.map((port) => new RawCaller({ from: '127.0.0.1', to: '127.0.0.1', port }))
  const random = seededRandom(seed)
  const pieces = (
    '/ / / // . .. % % %2 %2e %2E %2F %2f %5C %5c %5 %25 %32 %33 %46 %41 %43 %35 \\ a F C 0 2 3 5 ; ? # %00 %c3%A9 " [ ] ^ ` ' +
    "{ | } < > ~ %7e %7F %3b = & + * %20 %09 ' ( ) ! $ , : @"
  ).split(' ')
  let compared = 0
  for (let n = 0; n < count; n += 1) {
    let target = '/'
    for (let k = Math.floor(random() * 9); k > 0; k -= 1)
      target += pieces[Math.floor(random() * pieces.length)] as string
    for (const [i, [mode]] of modes.entries()) {
      const { status, body } = await (callers[i] as RawCaller).ask(
        `GET ${target} HTTP/1.1\r\nhost: h\r\n\r\n`,
      )
      const theirs = status === 200 ? Buffer.from(body, 'base64').toString('latin1') : String(status)
      const ours = normalizePath(target, mode)
      const shown = ours.ok ? ours.pathWithQuery : '400'
      if (theirs === shown) compared += 1
      else if (!isKnownDifference(target, theirs))
        disagree(`${mode} ${target}: ${theirs} there, ${shown} here`)
    }
  }
  say(`paths: ${compared} of ${count * modes.length} normalized alike, the others are documented differences`)
  for (const caller of callers) caller.close()
  await envoy.stop()
}

/** docs/differences.md: dot segments with parameters, and a path of slashes alone. */
function isKnownDifference(target: string, theirs: string): boolean {
  return (
    /[/\\]\.{1,2};/.test(target.replace(/%2e/gi, '.').replace(/%2f|%5c/gi, '/')) || /^\/\/($|\?)/.test(theirs)
  )
}

/** Addresses of the random cases as addresses of this machine. */
const onLoopback = (text: string): string => text.replaceAll('10.0.', '127.0.').replaceAll('10.1.', '127.1.')

async function compareVerdicts(count: number): Promise<void> {
  const random = seededRandom(seed + 1)
  const provider = await signer('ES256', 'k')
  const ca = await createTestCa({ trustDomain: 'any' })
  const own = await ca.issue({ uri: 'spiffe://new.td/ns/a/sa/server' })
  const sets = Array.from({ length: count }, () => {
    const { policies, mesh } = randomCase(random)
    const kept = policies.flatMap(plainly)
    // A name given twice is one object.
    const names = kept.map(({ meta }) => `${meta.namespace}/${meta.name}`)
    return { mesh, policies: kept.filter((_, i) => names.indexOf(names[i] as string) === i) }
  })
  const listeners = sets.map(({ mesh, policies }, i): EnvoyListener => {
    const filters = (port: number) => [
      tokenFilter(keySet(provider)),
      ...rbacFilters(withPort(policies, port), mesh),
    ]
    const address = i % 2 === 0 ? '127.1.0.1' : '127.1.0.2'
    return { address, settings: { normalize_path: true }, filters, tls: { own, rootPem: ca.rootPem } }
  })
  const envoy = await RunningEnvoy.start(binary as string, listeners)
  const clients = new Clients(ca)
  let [compared, refused, unheard] = [0, 0, 0]
  for (const [i, { mesh, policies }] of sets.entries()) {
    const [port, to] = [envoy.ports[i] as number, listeners[i]?.address as string]
    const compiled = compile(withPort(policies, port), { ...mesh, protocol: 'http' })
    for (let n = 0; n < 40; n += 1) {
      const given = randomCase(random)
      // Envoy takes no request without a host, and no method in lower case.
      if (given.request === null || given.request.host === '' || given.request.method === 'get') continue
      const request = given.request
      const { principalUri, sni } = given.connection
      const from = onLoopback(pickSource(given))
      const caller = await clients.caller({ principalUri, sni, from, to, port })
      const headers = request.headers.map(([name, value]) => [name, onLoopback(value)] as const)
      const bearer =
        request.token === null
          ? null
          : await token(provider, { iss: undefined, sub: undefined, ...timeless(request.token) })
      const reply = await caller.ask(asText(request, headers, bearer))
      caller.close()
      if (reply.status !== 200 && !reply.body.startsWith('rbac_')) {
        unheard += 1
        continue
      }
      const context = new RequestContext(
        request.method,
        request.path,
        request.pathWithQuery,
        request.host,
        headers.flat(),
      )
      if (request.token !== null) context.token = tokenOf(timeless(request.token))
      const connection = new ConnectionContext(
        principalUri,
        parseIp(from) as Ip,
        parseIp(to) as Ip,
        port,
        principalUri === '' ? '' : sni,
      )
      const decision = authorize(bind(compiled, connection), context)
      const ours = decision.allowed ? '200' : decision.detail
      const theirs = said(reply)
      compared += 1
      if (!decision.allowed) refused += 1
      if (ours !== theirs)
        disagree(
          `${theirs} there, ${ours} here: ${JSON.stringify({ request, principalUri, from, to, port, sni, mesh, policies })}`,
        )
    }
  }
  say(`verdicts: ${compared} compared (${refused} refused), ${unheard} requests that Envoy itself refused`)
  await envoy.stop()
}

const said = ({ status, body }: Reply): string => (status === 200 ? '200' : body)

const pickSource = ({ connection }: Case): string =>
  connection.sourceIp.startsWith('10.') ? connection.sourceIp : '10.0.0.9'

/** Only what Istio would accept and an HTTP filter chain enforces; addresses of this machine. */
function plainly(policy: AuthorizationPolicy): AuthorizationPolicy[] {
  if (policy.quarantined !== null || policy.dryRun || !['ALLOW', 'DENY'].includes(policy.action)) return []
  const text = JSON.stringify(policy)
  if (/"(no\.such\.key|experimental\.[^"]*|request\.headers\[:scheme\])"/.test(text)) return []
  const read = JSON.parse(onLoopback(text)) as AuthorizationPolicy
  const templates = read.rules.flatMap(({ to }) =>
    to.flatMap(({ paths }) => [...(paths?.values ?? []), ...(paths?.notValues ?? [])]),
  )
  return templates.some((value) => pathTemplateProblem(value) !== null) ? [] : [read]
}

/** The random policies say 8080 where they mean the port they are on. */
const withPort = (policies: readonly AuthorizationPolicy[], port: number): AuthorizationPolicy[] =>
  JSON.parse(JSON.stringify(policies).replaceAll('"8080"', `"${port}"`)) as AuthorizationPolicy[]

/** As JSON has it: what is undefined is not there. No lifetime, so that the clock says nothing. */
const timeless = (claims: object): Record<string, unknown> => {
  const { exp: _, ...rest } = JSON.parse(JSON.stringify(claims)) as Record<string, unknown>
  return { ...rest, exp: 4e9 }
}

function asText(
  { method, pathWithQuery, host }: NonNullable<Case['request']>,
  headers: readonly (readonly [string, string])[],
  bearer: string | null,
): string {
  const lines = [`${method} ${pathWithQuery} HTTP/1.1`, `host: ${host}`]
  for (const [name, value] of headers) lines.push(`${name}: ${value}`)
  if (bearer !== null) lines.push(`authorization: Bearer ${bearer}`)
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** A certificate for each identity, made once. */
class Clients {
  readonly #ca: TestCa
  readonly #issued = new Map<string, Issued>()

  constructor(ca: TestCa) {
    this.#ca = ca
  }

  async caller(who: {
    principalUri: string
    sni: string
    from: string
    to: string
    port: number
  }): Promise<RawCaller> {
    const { principalUri, sni, from, to, port } = who
    if (principalUri === '') return new RawCaller({ from, to, port })
    const own = this.#issued.get(principalUri) ?? (await this.#ca.issue({ uri: principalUri }))
    this.#issued.set(principalUri, own)
    return new RawCaller({ from, to, port, tls: { own, rootPem: this.#ca.rootPem, sni } })
  }
}

await comparePaths(Number(values.targets ?? 3000))
for (const line of await compareTokens(binary, say)) disagree(line)
await compareVerdicts(Number(values.sets ?? 100))
say(`${disagreements} disagreements (seed ${seed})`)
process.exitCode = disagreements > 0 ? 1 : 0
