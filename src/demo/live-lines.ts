/**
 * One access log line as people read it: when, from whom to whom, what, how it ended and who decided. Pure; lines that
 * tell nothing new give null.
 */
import type { AccessLine } from './access-lines.ts'
import type { Tier } from './topology.ts'

/** `tier` is the one whose sidecar wrote the line. Times are the reader's own (UTC when the machine says so). */
export function readableLine(line: AccessLine, tier: Tier): string | null {
  // What a server's sidecar saw, it tells better; callers tell what never arrived there.
  if (line.direction === 'outbound' && line.response_flags === null) return null
  const inbound = line.direction === 'inbound'
  const from = inbound ? shortName(line.peer_principal) : tier.name
  const to = inbound ? tier.name : calledHost(line)
  const what = line.method === null ? 'TCP' : `${line.method} ${shown(line.path ?? '/')}`
  const end = line.method === null ? '' : `${line.response_code === 0 ? '---' : line.response_code} `
  return `${time(line.start_time)}  ${`${from} -> ${to}`.padEnd(33)} ${what.padEnd(24)} ${end}${why(line)}`
}

function why(line: AccessLine): string {
  const failure = line.upstream_transport_failure_reason ?? line.connection_termination_details
  const flag = line.response_flags === null ? '' : `${line.response_flags} ${shown(failure ?? '')}`.trim()
  const { policy, decision } = line
  const rule = line.rule === null ? '' : ` rule ${line.rule}`
  switch (decision) {
    case 'allow_rule':
      return join(`allowed by ${policy}${rule}`, flag)
    case 'deny_rule':
      return join(`DENIED by ${policy}${rule}`, flag)
    case 'no_allow_policy':
      return join('allowed: no policy applies', flag)
    case 'no_allow_matched':
      return join('REFUSED: no ALLOW policy matches', flag)
    case 'quarantined_policy':
      return join(`REFUSED: ${policy} is in quarantine`, flag)
    case 'plaintext_refused':
      return 'CLOSED: plaintext where mutual TLS is demanded'
    default:
      return flag
  }
}

const join = (verdict: string, flag: string): string => (flag === '' ? verdict : `${verdict}; ${flag}`)

/** `spiffe://cluster.local/ns/photo-ns/sa/photo-frontend` is photo-frontend to readers. */
function shortName(principal: string | null): string {
  if (principal === null || principal === 'plaintext') return '(plaintext)'
  return /\/sa\/([^/]+)$/.exec(principal)?.[1] ?? principal
}

function calledHost(line: AccessLine): string {
  const host = (line.authority ?? line.upstream_host ?? '?').replace(/:\d+$/, '')
  return shown(host.split('.')[0] || host)
}

/** HH:MM:SS.mmm as the log has it. */
const time = (iso: string): string => iso.slice(11, 23)

/** Peers choose paths and hosts: no control character of theirs reaches a terminal, and no line grows without end. */
function shown(text: string): string {
  const plain = text.replace(/[\x00-\x1f\x7f-\x9f]/g, '?')
  return plain.length > 100 ? `${plain.slice(0, 97)}...` : plain
}
