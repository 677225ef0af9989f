/**
 * The gRPC face of the authority: istio.v1.auth.IstioCertificateService/CreateCertificate (dataplane §6.1). It turns calls
 * into values and refusals into statuses; who may have what is decided by authenticate-caller and sign-svid.
 */
import { status } from '@grpc/grpc-js'
import type { Server, ServerUnaryCall, ServiceError, sendUnaryData } from '@grpc/grpc-js'
import { unauthenticatedText } from '../identity/authenticate-caller.ts'
import type { Clock } from '../lifecycle/clock.ts'
import { loadProto } from '../proto/load-proto.ts'
import { fromStruct } from '../proto/struct.ts'
import type { StructMessage } from '../proto/struct.ts'
import type { Authority } from './authority.ts'
import type { Log } from '../lifecycle/log.ts'
import type { CallAuthenticator } from './call-authenticator.ts'
import { istioSigningRules, signSvid } from './sign-svid.ts'
import type { SigningRules } from './sign-svid.ts'

export interface CaServiceDeps {
  readonly authority: Authority
  /** `callAuthenticator(rules)`. */
  readonly authenticate: CallAuthenticator
  readonly clock: Clock
  readonly log: Log
  readonly rules?: SigningRules
}

/** Plain counts since the start; whoever serves metrics copies them. */
export interface CaCounters {
  issued: number
  unauthenticated: number
  csrErrors: number
  ttlErrors: number
  notReady: number
  signErrors: number
}

interface CertificateRequest {
  readonly csr: string
  readonly validity_duration: number
  readonly metadata: StructMessage | null
}

interface CertificateResponse {
  readonly cert_chain: readonly string[]
}

type Answer = CertificateResponse | { readonly code: number; readonly details: string }

export function addCaService(server: Server, deps: CaServiceDeps): CaCounters {
  const counters: CaCounters = {
    issued: 0,
    unauthenticated: 0,
    csrErrors: 0,
    ttlErrors: 0,
    notReady: 0,
    signErrors: 0,
  }
  const definition = loadProto('ca.proto').service('istio.v1.auth.IstioCertificateService')
  server.addService(definition, {
    CreateCertificate(
      call: ServerUnaryCall<CertificateRequest, CertificateResponse>,
      done: sendUnaryData<CertificateResponse>,
    ) {
      create(call, deps, counters).then(
        (answer) => ('code' in answer ? done(answer as Partial<ServiceError>) : done(null, answer)),
        (error: unknown) => {
          counters.signErrors += 1
          deps.log.error('signing failed', { error: String(error) })
          done({ code: status.INTERNAL, details: 'CERT_GEN_ERROR: certificate signing failed' })
        },
      )
    },
  })
  return counters
}

async function create(
  call: ServerUnaryCall<CertificateRequest, CertificateResponse>,
  deps: CaServiceDeps,
  counters: CaCounters,
): Promise<Answer> {
  const { authority, clock, log } = deps
  const caller = await deps.authenticate(call)
  if (!caller.ok) {
    counters.unauthenticated += 1
    log.warn('certificate request refused', { peer: call.getPeer(), reason: caller.reason })
    return { code: status.UNAUTHENTICATED, details: unauthenticatedText }
  }
  const { csr, validity_duration: ttl, metadata } = call.request
  const impersonated = fromStruct(metadata)['ImpersonatedIdentity']
  if (impersonated !== undefined && impersonated !== '') {
    counters.unauthenticated += 1
    log.warn('impersonation refused', { peer: call.getPeer(), caller: caller.id.uri })
    return { code: status.UNAUTHENTICATED, details: 'request impersonation authentication failure' }
  }
  const signed = await signSvid(
    authority,
    { csr, ttl, uri: caller.id.uri },
    deps.rules ?? istioSigningRules,
    clock.now(),
  )
  if (!signed.ok) {
    log.warn('certificate request refused', { caller: caller.id.uri, reason: signed.reason })
    return refusal(signed.failure, signed.reason, counters)
  }
  counters.issued += 1
  log.info('certificate issued', {
    id: caller.id.uri,
    by: caller.by,
    notAfter: new Date(signed.notAfter).toISOString(),
  })
  return { cert_chain: [signed.leaf, ...splitPem(authority.chainPem), authority.rootPem] }
}

function refusal(failure: 'csr' | 'ttl' | 'not-ready', reason: string, counters: CaCounters): Answer {
  switch (failure) {
    case 'csr':
      counters.csrErrors += 1
      return { code: status.INVALID_ARGUMENT, details: `CSR_ERROR: ${reason}` }
    case 'ttl':
      counters.ttlErrors += 1
      return { code: status.INVALID_ARGUMENT, details: `TTL_ERROR: ${reason}` }
    case 'not-ready':
      counters.notReady += 1
      return { code: status.INTERNAL, details: `CA_NOT_READY: ${reason}` }
  }
}

/** One certificate an element, each with its newline. */
function splitPem(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----\n?/g) ?? []
}
