/**
 * Carries an allowed opaque connection to the application beside us. It demands the Permit: there is no way here without
 * a verdict.
 */
import { connect } from 'node:net'
import type { SocketAddress } from '../../address/socket-address.ts'
import { formatSocketAddress } from '../../address/socket-address.ts'
import type { Permit } from '../../authz/permit.ts'
import type { Clock } from '../../lifecycle/clock.ts'
import type { OpaqueSession } from '../opaque-session.ts'

export interface ApplicationDial {
  readonly target: SocketAddress
  /** Local address that marks our own inbound traffic, or null without interception (dataplane §2.6). */
  readonly source: string | null
  readonly timeoutMs: number
}

export function forwardTcp(
  session: OpaqueSession,
  _permit: Permit,
  dial: ApplicationDial,
  clock: Clock,
): void {
  const upstream = connect({
    host: dial.target.address,
    port: dial.target.port,
    allowHalfOpen: true,
    noDelay: true,
    ...(dial.source === null ? {} : { localAddress: dial.source }),
  })
  session.record.upstreamHost = formatSocketAddress(dial.target)
  const timer = clock.after(dial.timeoutMs, () => upstream.destroy(new Error('connect timeout')))
  const onError = (error: NodeJS.ErrnoException): void => {
    timer.cancel()
    session.fail('UF', 'application_connect_failure', error.code ?? error.message)
  }
  upstream.once('error', onError)
  upstream.once('connect', () => {
    timer.cancel()
    upstream.off('error', onError)
    upstream.on('error', () => undefined)
    if (session.finished) {
      upstream.destroy()
      return
    }
    session.record.upstreamLocalAddress = `${upstream.localAddress}:${upstream.localPort}`
    session.begin(upstream)
  })
}
