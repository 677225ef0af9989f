/**
 * Reads every configuration file below a folder once, in a fixed order, as raw documents. It does not watch, decode or
 * remember anything but the text of unchanged files, which it does not parse twice.
 */
import type { Dirent } from 'node:fs'
import { lstat, readdir, readFile, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { RawResource } from '../policy/resource.ts'
import { readDocuments } from '../policy/read-documents.ts'

export interface Problem {
  /** `folder/file.yaml:12`. */
  readonly origin: string
  readonly reason: string
}

/** One file as it stands now. Problems mean that it may hold objects which could not be read. */
export interface ConfigFile {
  readonly file: string
  readonly resources: readonly RawResource[]
  readonly problems: readonly Problem[]
}

/** No configuration of a mesh is a single file of more bytes than this; a device or a log put there by mistake is. */
const largestFile = 32 * 1024 * 1024
const deepest = 32

export class FolderReader {
  readonly #root: string
  #known = new Map<string, { readonly text: string; readonly parsed: ConfigFile }>()

  constructor(root: string) {
    this.#root = root
  }

  /** Every file below the root, sorted by path. Rejects when the root itself cannot be read. */
  async read(): Promise<readonly ConfigFile[]> {
    const paths = await list(this.#root)
    const known = new Map<string, { text: string; parsed: ConfigFile }>()
    const files: ConfigFile[] = []
    for (const path of paths) {
      const text = await readText(path)
      if (text === null) continue
      if (typeof text !== 'string') {
        files.push({ file: path, resources: [], problems: [{ origin: path, reason: text.reason }] })
        continue
      }
      const before = this.#known.get(path)
      // The same text is the same value: what was decoded from it can be found again by identity.
      const parsed = before?.text === text ? before.parsed : { file: path, ...readDocuments(text, path) }
      known.set(path, { text, parsed })
      files.push(parsed)
    }
    this.#known = known
    return files
  }
}

async function list(root: string): Promise<string[]> {
  const found: string[] = []
  const walk = async (folder: string, parents: readonly string[], depth: number): Promise<void> => {
    const real = await realpath(folder)
    if (parents.includes(real) || depth > deepest) return
    const inside = [...parents, real]
    for (const entry of (await readdir(folder, { withFileTypes: true })).toSorted(byName)) {
      // `..data` and the dated folders beside it are reached through the links that point into them, and only so;
      // other names with a leading dot are editors' and version control's.
      if (entry.name.startsWith('.')) continue
      const path = join(folder, entry.name)
      const kind = await kindOf(entry, path)
      if (kind === 'folder') await walk(path, inside, depth + 1).catch(ignoreVanished)
      else if (kind === 'file' && /\.(?:ya?ml|json)$/.test(entry.name)) found.push(path)
    }
  }
  await walk(root, [], 0)
  return found
}

async function kindOf(entry: Dirent, path: string): Promise<'file' | 'folder' | 'other'> {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'folder'
  if (!entry.isSymbolicLink()) return 'other'
  try {
    const target = await stat(path)
    return target.isDirectory() ? 'folder' : target.isFile() ? 'file' : 'other'
  } catch {
    // A dangling link may be a swap under way: reading it says so, and what it held stays in force.
    return 'file'
  }
}

async function readText(path: string): Promise<string | { readonly reason: string } | null> {
  try {
    const { size } = await stat(path)
    if (size > largestFile) return { reason: `file: expected at most ${largestFile} bytes, found ${size}` }
    const bytes = await readFile(path)
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    // Gone between listing and reading = deleted; a link that is still there but dangles is a problem.
    if (code === 'ENOENT' && !(await isLink(path))) return null
    if (error instanceof TypeError) return { reason: 'file: expected UTF-8 text' }
    return { reason: `file: cannot be read (${code ?? 'unknown error'})` }
  }
}

async function isLink(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isSymbolicLink()
  } catch {
    return false
  }
}

function ignoreVanished(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}

function byName(a: Dirent, b: Dirent): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}
