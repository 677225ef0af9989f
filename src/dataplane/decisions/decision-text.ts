/**
 * A judged request or connection as the JSON line that is recorded of it, private parts veiled. It decides neither what is
 * recorded nor what was judged.
 */
import { formatIp } from '../../address/ip.ts'
import type { NearestMiss } from '../../authz/nearest-miss.ts'
import { redacted } from '../../authz/observed.ts'
import { remoteIp } from '../../authz/remote-ip.ts'
import type { RequestContext } from '../../authz/request-context.ts'
import type { RequestHead } from '../../http1/message.ts'
import { firstParameter, withVeiledParameters } from '../../jwt/query.ts'
import { defaultTokenPlaces } from '../../jwt/token-rules.ts'
import { text } from '../../telemetry/json-text.ts'
import { isGrpc } from '../http/deny-response.ts'
import { originForm } from '../http/request-view.ts'
import { askedClaims, askedHeaders } from './asked-request.ts'
import type { DecisionScope } from './decision-scope.ts'
import type { Judged, JudgedConnection, JudgedRequest } from './judged.ts'

/** Keys as in `DecisionLine`; with its newline. */
export function decisionText(judged: Judged, scope: DecisionScope, miss: NearestMiss | null): string {
  const { connection, request, audits, shadows } = judged
  return (
    `${scope.opening}${new Date(judged.at).toISOString()}","event":"${judged.event}"` +
    connectionText(connection, request, scope) +
    (request === null ? noRequest(scope) : requestText(request, scope)) +
    `,"authorizer":${text(judged.custom)},"unread":${judged.unreadHttp}` +
    `,"verdict":"${judged.allowed ? 'allowed' : 'denied'}","action":${text(judged.action ?? '')}` +
    `,"policy":${text(judged.policy ?? '')},"rule":${judged.rule},"reason":${text(judged.reason)}` +
    `,"miss":${miss === null ? 'null' : JSON.stringify(miss)}` +
    `,"shadow":${shadows.length === 0 ? '[]' : JSON.stringify(shadows)}` +
    `,"audit":${audits.length === 0 ? '[]' : JSON.stringify(audits)},"sample":${judged.sample}}\n`
  )
}

function connectionText(
  { context, principalUri, remote, destination, sni }: JudgedConnection,
  request: JudgedRequest | null,
  scope: DecisionScope,
): string {
  const read = request?.context ?? null
  const client =
    request === null
      ? remote.address
      : read === null || context === null
        ? ''
        : formatIp(remoteIp(read, context.sourceIp))
  return (
    `,"source":{"principal":${text(principalUri.slice(scheme.length))},"ip":"${remote.address}","port":${remote.port}` +
    `,"remoteIp":${text(client)}},"destination":{"ip":"${destination.address}","port":${destination.port}}` +
    `,"sni":${text(sni)},"mtls":"${scope.mtlsOf(destination.port)}"`
  )
}

const scheme = 'spiffe://'

const noRequest = (scope: DecisionScope): string =>
  ',"protocol":"tcp","requestId":null,"method":null,"host":null,"path":null,"headers":null,"claims":null' +
  `${scope.unasked},"token":null,"bears":[]${scope.rules}`

function requestText(request: JudgedRequest, scope: DecisionScope): string {
  const { head, context } = request
  return (
    `,"protocol":"${isGrpc(head) ? 'grpc' : 'http'}","requestId":${text(request.requestId)}` +
    `,"method":${text(head.method)},"host":${text(request.host)},"path":${text(pathOf(request, scope))}` +
    (context === null
      ? `,"headers":null,"claims":null${scope.unasked}`
      : `,"headers":${headersText(context, scope)},"claims":${claimsText(context, scope)}${scope.asked}`) +
    `,"token":${text(request.token ?? '')},"bears":${credentialPlaces(head)}${scope.rules}`
  )
}

/**
 * The path as received, so that another way of normalizing it can be tried on it. The query is that which was judged: tokens
 * may have been taken out of it.
 */
function pathOf({ head, context }: JudgedRequest, { veil, tokens }: DecisionScope): string {
  const received = originForm(head)
  const end = received.search(/[?#]/)
  if (end < 0 && (context === null || !context.pathWithQuery.includes('?'))) return received
  const path = end < 0 ? received : received.slice(0, end)
  const fragment = received.includes('#') ? '#' : ''
  const judged = context?.pathWithQuery ?? received.replace(/#.*$/s, '')
  const question = judged.indexOf('?')
  if (question < 0) return path + fragment
  const query = judged.slice(question)
  const told =
    veil.mode === 'shown' ? withVeiledParameters(query, tokens.tokenParameters, redacted) : veiledQuery(query)
  return path + told + fragment
}

/** Normalizing looks at which bytes there are in a query; what stands in for it is treated alike. */
function veiledQuery(query: string): string {
  const blank = /[\x00-\x20\x7f]/.test(query) ? ' ' : ''
  return `?${redacted}${/[\x80-\xff]/.test(query) ? '\xff' : ''}${blank}`
}

function headersText(context: RequestContext, { questions, veil }: DecisionScope): string {
  if (questions.headers.size === 0) return '{}'
  const found = new Map<string, string[]>()
  const headers = askedHeaders(context, questions)
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const values = found.get(name) ?? []
    values.push(veil.header(name, headers[i + 1] as string))
    found.set(name, values)
  }
  const fields = [...found].map(([name, values]) => `${JSON.stringify(name)}:${JSON.stringify(values)}`)
  return `{${fields.join(',')}}`
}

function claimsText({ token }: RequestContext, { questions, veil }: DecisionScope): string {
  if (token === null) return 'null'
  const claims = veiled(askedClaims(token.claims, questions.claims), '', veil) as object
  // The issuer is what an operator wrote into a rule.
  return JSON.stringify({ ...claims, iss: token.issuer })
}

/** Equal values of one claim have one digest, in a list or alone. */
function veiled(value: unknown, at: string, veil: DecisionScope['veil']): unknown {
  if (typeof value === 'string') return veil.value(`request.auth.claims${at}`, value)
  if (Array.isArray(value)) return value.map((entry: unknown) => veiled(entry, at, veil))
  if (typeof value !== 'object' || value === null) return null
  return Object.fromEntries(
    Object.entries(value).map(([name, inside]) => [name, veiled(inside, `${at}[${name}]`, veil)]),
  )
}

/** Where tokens usually are, whether anybody looked or not. */
function credentialPlaces({ headers, target }: RequestHead): string {
  const { header, parameter } = defaultTokenPlaces
  let found = ''
  if (has(headers, header)) found = `"${header}"`
  if (target.includes('?') && firstParameter(target, parameter)) found += `${found && ','}"${parameter}"`
  if (has(headers, 'cookie')) found += `${found && ','}"cookie"`
  return `[${found}]`
}

function has(headers: readonly string[], name: string): boolean {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name && headers[i + 1] !== '') return true
  return false
}
