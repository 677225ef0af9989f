/**
 * The last good configuration on disk, as raw documents: read at start when nothing better is to be had. Whatever is
 * wrong with the file is a reason to go on without it, never an error.
 */
import { createHash, randomUUID } from 'node:crypto'
import { open, readFile, rename, unlink } from 'node:fs/promises'
import type { RawResource } from '../policy/resource.ts'

/** A document and the file or server it came from. */
export interface KeptResource {
  readonly source: string
  readonly resource: RawResource
}

export type LastGood =
  | { readonly ok: true; readonly savedAt: number; readonly resources: readonly KeptResource[] }
  | { readonly ok: false; readonly reason: string }

const format = 'sallyport-last-good/1'

interface Header {
  readonly format: string
  /** Whose configuration it is: another workload's is not ours. */
  readonly owner: string
  readonly savedAt: number
  readonly sha256: string
}

/** Writes aside (mode 0600) and renames, so that a crash leaves the old file or the new one whole. */
export async function saveLastGood(
  path: string,
  owner: string,
  resources: readonly KeptResource[],
  nowMs: number,
): Promise<void> {
  const body = JSON.stringify(resources)
  const header: Header = { format, owner, savedAt: nowMs, sha256: digest(body) }
  const aside = `${path}.${randomUUID()}.tmp`
  try {
    const file = await open(aside, 'wx', 0o600)
    try {
      await file.writeFile(`${JSON.stringify(header)}\n${body}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(aside, path)
  } catch (error) {
    await unlink(aside).catch(() => undefined)
    throw error
  }
}

export async function loadLastGood(path: string, owner: string): Promise<LastGood> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    return refused(`${path}: ${(error as NodeJS.ErrnoException).code ?? 'cannot be read'}`)
  }
  const end = text.indexOf('\n')
  const header = parse(text.slice(0, end)) as Partial<Header> | null
  if (end < 0 || header?.format !== format) return refused(`${path}: not in the format ${format}`)
  const body = text.slice(end + 1).replace(/\n$/, '')
  if (header.sha256 !== digest(body)) return refused(`${path}: damaged (checksum differs)`)
  if (header.owner !== owner) return refused(`${path}: belongs to ${String(header.owner)}, not to ${owner}`)
  const resources = parse(body)
  if (!Array.isArray(resources) || !resources.every(isKept))
    return refused(`${path}: not a list of documents`)
  return { ok: true, savedAt: Number(header.savedAt) || 0, resources }
}

function isKept(value: unknown): value is KeptResource {
  const resource = (value as KeptResource | null)?.resource as Partial<RawResource> | undefined
  return (
    typeof (value as KeptResource | null)?.source === 'string' &&
    typeof resource?.kind === 'string' &&
    typeof resource.meta === 'object' &&
    typeof resource.object === 'object'
  )
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function refused(reason: string): LastGood {
  return { ok: false, reason }
}
