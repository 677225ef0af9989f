/**
 * Files that hold secrets: made whole or not at all, 0600 in a 0700 directory, refused when others can read them. It
 * knows nothing of what is inside.
 */
import { randomUUID } from 'node:crypto'
import { chmod, link, mkdir, open, readFile, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { MeshError } from '../error.ts'

export class PrivateFileError extends MeshError<'ERR_JWT_FILE_EXPOSED' | 'ERR_JWT_FILE_UNUSABLE'> {}

/** Creates what is missing, 0700; leaves an existing directory as it is. */
export async function makePrivateDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new PrivateFileError(
      'ERR_JWT_FILE_UNUSABLE',
      `cannot make the directory ${directory} (${code ?? 'unknown'})`,
      'name a directory that this user can make or write',
      { cause },
    )
  }
}

/** The content, or null when there is no such file. A file that group or world can touch is an error, not a secret. */
export async function readPrivateFile(path: string): Promise<string | null> {
  let handle
  try {
    handle = await open(path, 'r')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new PrivateFileError(
      'ERR_JWT_FILE_UNUSABLE',
      `cannot open ${path}`,
      'make it readable to this user',
      {
        cause,
      },
    )
  }
  try {
    // Asked of the open file, so that it cannot be swapped between the question and the reading.
    const { mode } = await handle.stat()
    if ((mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, '0')
      throw new PrivateFileError(
        'ERR_JWT_FILE_EXPOSED',
        `${path} has mode ${shown}: others can reach the secret in it`,
        `run chmod 600 ${path}, and replace the secret if others could have read it`,
      )
    }
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}

/** Makes the file unless somebody else just did; true when it was us. The loser reads what the winner wrote. */
export async function createFile(path: string, content: string, mode = 0o600): Promise<boolean> {
  const draft = await writeDraft(path, content, mode)
  try {
    await link(draft, path)
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw cause
  } finally {
    await unlink(draft)
  }
}

/** Puts `content` in the place of whatever was there, in one step. */
export async function replaceFile(path: string, content: string, mode = 0o600): Promise<void> {
  const draft = await writeDraft(path, content, mode)
  try {
    await rename(draft, path)
  } catch (cause) {
    await unlink(draft)
    throw cause
  }
}

/** As `readPrivateFile` for files that are no secret. */
export async function readPublicFile(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw cause
  }
}

async function writeDraft(path: string, content: string, mode: number): Promise<string> {
  await makePrivateDirectory(dirname(path))
  const draft = `${path}.${randomUUID()}`
  const handle = await open(draft, 'wx', mode)
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
  // The umask may have taken bits that a public file should have.
  await chmod(draft, mode)
  return draft
}
