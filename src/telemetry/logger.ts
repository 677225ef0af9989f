/**
 * Operational log lines as JSON, by pino: what the program does, not what traffic does (that is `access-log.ts`). No
 * caller passes keys, tokens or claims; the redaction here is a second line of defence, not the first.
 */
import pino from 'pino'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
  error(message: string, fields?: Readonly<Record<string, unknown>>): void
}

const secretFields = [
  'privateKey',
  'token',
  'authorization',
  'password',
  '*.privateKey',
  '*.token',
  '*.authorization',
]

/** Writes to standard error, so that standard output is the access log's alone. */
export function createLogger(component: string, level: LogLevel): Logger {
  const log = pino(
    {
      level,
      base: { component },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretFields, censor: '[redacted]' },
    },
    pino.destination({ fd: 2, sync: true }),
  )
  return {
    debug: (message, fields = {}) => log.debug(fields, message),
    info: (message, fields = {}) => log.info(fields, message),
    warn: (message, fields = {}) => log.warn(fields, message),
    error: (message, fields = {}) => log.error(fields, message),
  }
}
