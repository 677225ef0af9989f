/** Text of a flag or variable to a typed value, or a clear refusal that names the option. Pure; reads nothing. */
import { parseSocketAddress } from '../address/socket-address.ts'
import type { SocketAddress } from '../address/socket-address.ts'
import type { InboundMapping } from '../dataplane/dataplane-settings.ts'
import { BootstrapError } from './bootstrap-error.ts'

/** `127.0.0.1:15001`, `[::1]:15001`, or a bare port on `defaultHost`. */
export function addressOption(name: string, text: string, defaultHost: string): SocketAddress {
  const bare = /^\d{1,5}$/.test(text)
    ? `${defaultHost.includes(':') ? `[${defaultHost}]` : defaultHost}:${text}`
    : text
  const parsed = parseSocketAddress(bare)
  if (parsed === null) {
    throw new BootstrapError(
      'ERR_BOOTSTRAP_ADDRESS',
      `${name} ${shown(text)} is no IP address and port`,
      'write it like 127.0.0.1:15001',
    )
  }
  return parsed
}

/** `HOST:PORT` where the host may be a name. */
export function targetOption(name: string, text: string): { readonly host: string; readonly port: number } {
  const found = /^(\[[0-9a-fA-F:]+\]|[^\s:/]+):(\d{1,5})$/.exec(text)
  const port = Number(found?.[2])
  if (found === null || port < 1 || port > 65535) {
    throw new BootstrapError(
      'ERR_BOOTSTRAP_ADDRESS',
      `${name} ${shown(text)} is no host and port`,
      'write it like mesh.example:15012',
    )
  }
  return { host: (found[1] as string).replace(/^\[|\]$/g, ''), port }
}

/** `LISTEN=TARGET`, each an address or a bare port: `127.0.1.2:8080=127.0.0.1:18080`, `8080=18080`. */
export function mappingOption(name: string, text: string, listenHost: string): InboundMapping {
  const [listen, target, ...rest] = text.split('=')
  if (listen === undefined || target === undefined || rest.length > 0) {
    throw new BootstrapError(
      'ERR_BOOTSTRAP_MAPPING',
      `${name} ${shown(text)} is no mapping`,
      'write it like 127.0.1.2:8080=127.0.0.1:18080',
    )
  }
  return { listen: addressOption(name, listen, listenHost), target: addressOption(name, target, '127.0.0.1') }
}

export function numberOption(name: string, text: string, least: number, most: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= least && value <= most)) {
    throw new BootstrapError(
      'ERR_BOOTSTRAP_NUMBER',
      `${name} ${shown(text)} is not a whole number from ${least} to ${most}`,
      'give such a number',
    )
  }
  return value
}

/** A part of one, 0 to 1: `0.01`, or `1%`. */
export function shareOption(name: string, text: string): number {
  const found = /^(\d{1,3}(?:\.\d{1,9})?|\.\d{1,9})(%?)$/.exec(text)
  const value = found === null ? Number.NaN : Number(found[1]) / (found[2] === '%' ? 100 : 1)
  if (!(value >= 0 && value <= 1)) {
    throw new BootstrapError(
      'ERR_BOOTSTRAP_NUMBER',
      `${name} ${shown(text)} is no share from 0 to 1`,
      'write it like 0.01 or 1%',
    )
  }
  return value
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `500ms`, `45s`, `10m`, `24h`, `90d`; milliseconds. */
export function durationOption(name: string, text: string): number {
  const found = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text)
  if (found === null) {
    throw new BootstrapError(
      'ERR_BOOTSTRAP_DURATION',
      `${name} ${shown(text)} is no duration`,
      'write it like 500ms, 45s, 10m or 24h',
    )
  }
  return Number(found[1]) * (units[found[2] as string] as number)
}

export function choiceOption<T extends string>(name: string, text: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === text)
  if (found === undefined) {
    throw new BootstrapError(
      'ERR_BOOTSTRAP_CHOICE',
      `${name} ${shown(text)} is not one of ${choices.join(', ')}`,
      'choose one of these',
    )
  }
  return found
}

// What a user typed goes into one line, quoted and bounded.
function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text)
}
