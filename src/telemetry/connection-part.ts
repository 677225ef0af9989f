/**
 * The part of an access log line that holds for a connection's life, written again only when one of its values turned out
 * to be another. Each connection keeps its own, so that connections taking turns write theirs once.
 */
import { text, whole } from './json-text.ts'

/** Of an access record. */
export interface ConnectionFields {
  readonly direction: string
  readonly downstreamLocalAddress: string
  readonly downstreamRemoteAddress: string
  readonly requestedServerName: string
  readonly routeName: string
  readonly peerPrincipal: string
  readonly localPrincipal: string
  readonly tlsVersion: string
  readonly tlsCipher: string
}

export class ConnectionPart {
  #local = ''
  #remote = ''
  #serverName = ''
  #route = ''
  #direction = ''
  #peer = ''
  #own = ''
  #version = ''
  #cipher = ''
  #text = ''

  of(record: ConnectionFields): string {
    if (
      record.downstreamRemoteAddress !== this.#remote ||
      record.downstreamLocalAddress !== this.#local ||
      record.requestedServerName !== this.#serverName ||
      record.routeName !== this.#route ||
      record.direction !== this.#direction ||
      record.peerPrincipal !== this.#peer ||
      record.localPrincipal !== this.#own ||
      record.tlsVersion !== this.#version ||
      record.tlsCipher !== this.#cipher
    ) {
      this.#local = record.downstreamLocalAddress
      this.#remote = record.downstreamRemoteAddress
      this.#serverName = record.requestedServerName
      this.#route = record.routeName
      this.#direction = record.direction
      this.#peer = record.peerPrincipal
      this.#own = record.localPrincipal
      this.#version = record.tlsVersion
      this.#cipher = record.tlsCipher
      this.#text = whole(
        `,"downstream_local_address":${text(this.#local)},"downstream_remote_address":${text(this.#remote)}` +
          `,"requested_server_name":${text(this.#serverName)},"route_name":${text(this.#route)}` +
          `,"direction":"${this.#direction}","peer_principal":${text(this.#peer)}` +
          `,"local_principal":${text(this.#own)},"tls_version":${text(this.#version)}` +
          `,"tls_cipher":${text(this.#cipher)}`,
      )
    }
    return this.#text
  }
}
