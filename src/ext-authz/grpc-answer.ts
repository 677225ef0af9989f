/** A CheckResponse, read as an outcome (policy-semantics §9.3). It sends and awaits nothing. */
import type { AuthorizerSettings } from '../policy/extension-provider.ts'
import { HeaderList } from './header-list.ts'
import { isFieldName, isOurs, isOursToClient, toFieldValue } from './header-rules.ts'
import { bodyFor, withType } from './http-answer.ts'
import type { CheckOutcome } from './outcome.ts'
import { deny, unanswered, unusable } from './outcome.ts'

interface HeaderOption {
  readonly header: { readonly key: string; readonly value: string; readonly raw_value: Buffer } | null
  readonly append: { readonly value: boolean } | null
  readonly append_action: number
}

interface DeniedResponse {
  readonly status: { readonly code: number } | null
  readonly headers: readonly HeaderOption[]
  readonly body: Buffer
}

interface OkResponse {
  readonly headers: readonly HeaderOption[]
  readonly headers_to_remove: readonly string[]
  readonly response_headers_to_add: readonly HeaderOption[]
  readonly query_parameters_to_set: readonly { readonly key: string; readonly value: string }[]
  readonly query_parameters_to_remove: readonly string[]
}

export interface CheckResponse {
  readonly status: { readonly code: number; readonly message: string } | null
  readonly denied_response?: DeniedResponse | null
  readonly ok_response?: OkResponse | null
  readonly error_response?: DeniedResponse | null
}

export function readGrpcAnswer(settings: AuthorizerSettings, answer: CheckResponse): CheckOutcome {
  // The authorizer's own failure, in Envoy's newer form.
  if (answer.error_response) return authorizerFailed(settings, answer.error_response)
  // An absent status is the one with code 0. A denial beside it contradicts it, and the denial holds.
  if ((answer.status?.code ?? 0) === 0 && !answer.denied_response) {
    return allowed(settings, answer.ok_response ?? nothingToDo)
  }
  return denied(answer.denied_response ?? null)
}

const nothingToDo: OkResponse = {
  headers: [],
  headers_to_remove: [],
  response_headers_to_add: [],
  query_parameters_to_set: [],
  query_parameters_to_remove: [],
}

function allowed(settings: AuthorizerSettings, ok: OkResponse): CheckOutcome {
  const set = new HeaderList(isOurs)
  const append = new HeaderList(isOurs)
  for (const option of ok.headers) put(option, option.append?.value === true ? append : set)
  const [add, absent, replace, present] = byAction(ok.response_headers_to_add)
  const lists = [set, append, add, absent, replace, present]
  const fault = lists.find((list) => list.fault !== null)?.fault ?? null
  if (fault !== null) return unusable(settings, fault)
  const { query_parameters_to_set: setQuery, query_parameters_to_remove: removeQuery } = ok
  return {
    kind: 'allow',
    setHeaders: set.fields,
    appendHeaders: append.fields,
    removeHeaders: ok.headers_to_remove
      .map((name) => name.toLowerCase())
      .filter((name) => isFieldName(name) && !isOurs(name)),
    responseHeaders: add.fields,
    responseSetHeaders: replace.fields,
    responseAbsentHeaders: absent.fields,
    responsePresentHeaders: present.fields,
    query:
      setQuery.length === 0 && removeQuery.length === 0
        ? null
        : { set: setQuery.flatMap(({ key, value }) => [key, value]), remove: removeQuery },
  }
}

function denied(response: DeniedResponse | null): CheckOutcome {
  const status = finalStatus(response) ?? 403
  const headers = new HeaderList(isOursToClient)
  for (const option of response?.headers ?? []) put(option, headers)
  return deny(status, ...withType(headers.fields, bodyFor(status, response?.body ?? Buffer.alloc(0))))
}

function authorizerFailed(settings: AuthorizerSettings, response: DeniedResponse): CheckOutcome {
  const { failOpen } = settings
  const statusOnError = finalStatus(response) ?? settings.statusOnError
  return unanswered({ failOpen, statusOnError }, 'error_response')
}

/** Null when none was given, or none that ends a request. */
function finalStatus(response: DeniedResponse | null): number | null {
  const code = response?.status?.code ?? 0
  return code >= 200 && code <= 599 ? code : null
}

/** Lists for the response by `append_action`, which counts where `append` is left out (tried with Envoy 1.40). */
function byAction(options: readonly HeaderOption[]): [HeaderList, HeaderList, HeaderList, HeaderList] {
  const list = (): HeaderList => new HeaderList(isOursToClient)
  const [add, absent, replace, present] = [list(), list(), list(), list()]
  for (const option of options) {
    const { append, append_action: action } = option
    if (append !== null) put(option, append.value ? add : replace)
    else put(option, action === 1 ? absent : action === 2 ? replace : action === 3 ? present : add)
  }
  return [add, absent, replace, present]
}

function put({ header }: HeaderOption, list: HeaderList): void {
  if (header === null) return
  const value = header.raw_value.length > 0 ? header.raw_value.toString('latin1') : toFieldValue(header.value)
  list.add(header.key, value)
}
