/**
 * What somebody says an authorizer answers, as the outcome the proxy would have read from such an answer. Nobody is asked;
 * what an authorizer may not do, it may not do here either.
 */
import { readGrpcAnswer } from '../../ext-authz/grpc-answer.ts'
import { readHttpAnswer } from '../../ext-authz/http-answer.ts'
import { unanswered } from '../../ext-authz/outcome.ts'
import type { CheckOutcome } from '../../ext-authz/outcome.ts'
import type { AuthorizerSettings } from '../../policy/extension-provider.ts'

export interface GivenAnswer {
  /** Null = whoever is asked. */
  readonly provider: string | null
  /** `error`: it gave none, and the provider's failOpen decides. */
  readonly says: 'allow' | 'deny' | 'error'
  /** Of a denial. */
  readonly status: number
  /** Flat list as on the wire, names in lower case: to the request when it allows, to the client when it denies. */
  readonly headers: readonly string[]
  /** Names of request headers to remove. */
  readonly removeHeaders: readonly string[]
  readonly body: string
}

export function outcomeOf(settings: AuthorizerSettings, given: GivenAnswer): CheckOutcome {
  const { says, status, headers, removeHeaders } = given
  if (says === 'error') return unanswered(settings, 'given')
  const body = Buffer.from(given.body, 'latin1')
  if (settings.kind === 'http') {
    const removed = removeHeaders.flatMap((name) => ['x-envoy-auth-headers-to-remove', name])
    return readHttpAnswer(settings, {
      status: says === 'allow' ? 200 : status,
      headers: [...headers, ...removed],
      body,
    })
  }
  const options = []
  for (let i = 0; i < headers.length; i += 2) {
    const key = headers[i] as string
    const raw = Buffer.from(headers[i + 1] as string, 'latin1')
    options.push({ header: { key, value: '', raw_value: raw }, append: null, append_action: 0 })
  }
  return readGrpcAnswer(
    settings,
    says === 'deny'
      ? {
          status: { code: 7, message: '' },
          denied_response: { status: { code: status }, headers: options, body },
        }
      : {
          status: { code: 0, message: '' },
          ok_response: {
            headers: options,
            headers_to_remove: removeHeaders,
            response_headers_to_add: [],
            query_parameters_to_set: [],
            query_parameters_to_remove: [],
          },
        },
  )
}
