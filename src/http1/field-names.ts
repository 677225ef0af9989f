/**
 * The field names the mesh sees every day, as lower-case strings found by the hash of their bytes, so that reading one
 * makes no string. Not a list of allowed names: any token is a name.
 */
import { tokenLower } from './byte-classes.ts'

/** Numbers of the names that decide framing; FieldSection keeps count of these. All others are >= `Field.Other`. */
export const Field = {
  Host: 0,
  ContentLength: 1,
  TransferEncoding: 2,
  Connection: 3,
  Upgrade: 4,
  Expect: 5,
  Other: 6,
} as const

/** By number. */
export const fieldNames: readonly string[] = (
  'host content-length transfer-encoding connection upgrade expect ' +
  'accept accept-charset accept-encoding accept-language accept-ranges access-control-allow-credentials ' +
  'access-control-allow-headers access-control-allow-methods access-control-allow-origin ' +
  'access-control-expose-headers access-control-max-age access-control-request-headers ' +
  'access-control-request-method age allow alt-svc authorization b3 baggage cache-control content-disposition ' +
  'content-encoding content-language content-location content-range content-security-policy content-type cookie ' +
  'date dnt etag expires forwarded from grpc-accept-encoding grpc-encoding grpc-message grpc-status grpc-timeout ' +
  'if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive last-modified link location ' +
  'max-forwards origin pragma priority proxy-authenticate proxy-authorization proxy-connection range referer ' +
  'retry-after sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site ' +
  'sec-fetch-user sec-websocket-accept sec-websocket-extensions sec-websocket-key sec-websocket-protocol ' +
  'sec-websocket-version server server-timing set-cookie strict-transport-security te traceparent tracestate ' +
  'trailer transfer-encoding upgrade-insecure-requests user-agent vary via www-authenticate x-b3-flags ' +
  'x-b3-parentspanid x-b3-sampled x-b3-spanid x-b3-traceid x-content-type-options ' +
  'x-envoy-attempt-count x-envoy-decorator-operation x-envoy-expected-rq-timeout-ms x-envoy-external-address ' +
  'x-envoy-internal x-envoy-original-path x-envoy-peer-metadata x-envoy-peer-metadata-id ' +
  'x-envoy-upstream-service-time x-forwarded-client-cert x-forwarded-for x-forwarded-host x-forwarded-port ' +
  'x-forwarded-proto x-frame-options x-ot-span-context x-powered-by x-real-ip x-request-id x-requested-with ' +
  'x-xss-protection'
)
  .split(' ')
  .filter((name, index, all) => all.indexOf(name) === index)

/** One step of the hash that `fieldNumber` looks up; start from 0 and feed bytes from `tokenLower`. */
export function hashStep(hash: number, lower: number): number {
  return (Math.imul(hash, 31) + lower) | 0
}

const slots = 1024
// Slot → number of the name, -1 when empty; collisions go to the next slot.
const slotOf = new Int16Array(slots).fill(-1)
for (const [number, name] of fieldNames.entries()) {
  let hash = 0
  for (let i = 0; i < name.length; i++) hash = hashStep(hash, name.charCodeAt(i))
  let slot = hash & (slots - 1)
  while (slotOf[slot] !== -1) slot = (slot + 1) & (slots - 1)
  slotOf[slot] = number
}

/** The number of the name in bytes[from, to) whatever its case, or -1 when it is none of ours. */
export function fieldNumber(bytes: Uint8Array, from: number, to: number, hash: number): number {
  let slot = hash & (slots - 1)
  for (;;) {
    const number = slotOf[slot] as number
    if (number === -1) return -1
    // The hash can be forged: only the bytes prove the name.
    if (sameName(fieldNames[number] as string, bytes, from, to)) return number
    slot = (slot + 1) & (slots - 1)
  }
}

function sameName(name: string, bytes: Uint8Array, from: number, to: number): boolean {
  if (name.length !== to - from) return false
  for (let i = from; i < to; i++) {
    if (name.charCodeAt(i - from) !== tokenLower[bytes[i] as number]) return false
  }
  return true
}
