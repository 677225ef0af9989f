/** The views the admin endpoint shows, as JSON: what is in force, with every key left out. It reads; it changes nothing. */
import type { Snapshot } from '../discovery/snapshot.ts'
import type { Page } from './admin-server.ts'

export function json(value: unknown): Page {
  return { contentType: 'application/json', body: `${JSON.stringify(value, null, 2)}\n` }
}

/** `settings` is the worker's start configuration; secrets are named, never shown. */
export function configDump(
  snapshot: Snapshot | null,
  settings: unknown,
  secrets: { readonly names: readonly string[] },
): Page {
  return json({
    settings,
    secrets: secrets.names.map((name) => ({ name, private_key: '[redacted]' })),
    snapshot,
  })
}
