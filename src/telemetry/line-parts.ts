/**
 * Parts of an access log line whose values seldom change from one record to the next: each remembers the last as text and
 * is written again when one of its values is another. None knows where it stands in the line.
 */
import type { AccessRecord } from './access-record.ts'
import { text, whole } from './json-text.ts'

export class MethodPart {
  #method = ''
  #text = 'Z","method":null,"path":'

  of({ method }: AccessRecord): string {
    if (method !== this.#method) {
      this.#method = method
      this.#text = whole(`Z","method":${text(method)},"path":`)
    }
    return this.#text
  }
}

export class OutcomePart {
  #protocol = ''
  #code = -1
  #flags = ''
  #details = ''
  #termination = ''
  #transport = ''
  #text = ''

  of(record: AccessRecord): string {
    if (
      record.responseCode !== this.#code ||
      record.responseFlags !== this.#flags ||
      record.responseCodeDetails !== this.#details ||
      record.connectionTerminationDetails !== this.#termination ||
      record.upstreamTransportFailureReason !== this.#transport ||
      record.protocol !== this.#protocol
    ) {
      this.#protocol = record.protocol
      this.#code = record.responseCode
      this.#flags = record.responseFlags
      this.#details = record.responseCodeDetails
      this.#termination = record.connectionTerminationDetails
      this.#transport = record.upstreamTransportFailureReason
      this.#text = whole(
        `,"protocol":"${this.#protocol}","response_code":${this.#code},"response_flags":${text(this.#flags)}` +
          `,"response_code_details":${text(this.#details)}` +
          `,"connection_termination_details":${text(this.#termination)}` +
          `,"upstream_transport_failure_reason":${text(this.#transport)},"bytes_received":`,
      )
    }
    return this.#text
  }
}

export class ClientPart {
  #forwardedFor = ''
  #userAgent = ''
  #text = ',"x_forwarded_for":null,"user_agent":null,"request_id":'

  of({ forwardedFor, userAgent }: AccessRecord): string {
    if (forwardedFor !== this.#forwardedFor || userAgent !== this.#userAgent) {
      this.#forwardedFor = forwardedFor
      this.#userAgent = userAgent
      this.#text = whole(
        `,"x_forwarded_for":${text(forwardedFor)},"user_agent":${text(userAgent)},"request_id":`,
      )
    }
    return this.#text
  }
}

export class UpstreamPart {
  #authority = ''
  #host = ''
  #cluster = ''
  #text = ',"authority":null,"upstream_host":null,"upstream_cluster":null,"upstream_local_address":'

  of({ authority, upstreamHost, upstreamCluster }: AccessRecord): string {
    if (authority !== this.#authority || upstreamHost !== this.#host || upstreamCluster !== this.#cluster) {
      this.#authority = authority
      this.#host = upstreamHost
      this.#cluster = upstreamCluster
      this.#text = whole(
        `,"authority":${text(authority)},"upstream_host":${text(upstreamHost)}` +
          `,"upstream_cluster":${text(upstreamCluster)},"upstream_local_address":`,
      )
    }
    return this.#text
  }
}

export class VerdictPart {
  #policy = ''
  #rule = -1
  #decision = ''
  #audit = ''
  #shadow = ''
  #custom = ''
  #generation = -1
  #text = ''

  of(record: AccessRecord): string {
    if (
      record.rule !== this.#rule ||
      record.generation !== this.#generation ||
      record.policy !== this.#policy ||
      record.decision !== this.#decision ||
      record.audit !== this.#audit ||
      record.shadow !== this.#shadow ||
      record.custom !== this.#custom
    ) {
      this.#policy = record.policy
      this.#rule = record.rule
      this.#decision = record.decision
      this.#audit = record.audit
      this.#shadow = record.shadow
      this.#custom = record.custom
      this.#generation = record.generation
      this.#text = whole(
        `,"policy":${text(this.#policy)},"rule":${this.#rule < 0 ? 'null' : this.#rule}` +
          `,"decision":${text(this.#decision)},"audit":${text(this.#audit)},"shadow":${text(this.#shadow)}` +
          `,"custom":${text(this.#custom)},"generation":${this.#generation}}\n`,
      )
    }
    return this.#text
  }
}
