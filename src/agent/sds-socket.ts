/**
 * The Unix socket's place in the file system: path checked, parent made, stale file removed, a living owner respected
 * (dataplane §1.3). It listens on nothing itself.
 */
import { chmod, lstat, mkdir, stat, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname, isAbsolute } from 'node:path'
import type { Clock } from '../lifecycle/clock.ts'
import { AgentError } from './agent-error.ts'

/** sun_path is 108 bytes with its closing NUL. */
const longestPath = 107
const answerMs = 1000

/** After this the path is free to bind. */
export async function prepareSocket(path: string, clock: Clock): Promise<void> {
  const bytes = Buffer.byteLength(path)
  if (!isAbsolute(path) || bytes > longestPath) {
    throw new AgentError(
      'ERR_AGENT_SOCKET_PATH',
      `"${path}" (${bytes} bytes) cannot be a socket: absolute paths of at most ${longestPath} bytes can`,
      'choose an absolute, shorter socket path',
    )
  }
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o750 })
    const found = await lstat(path).catch(() => null)
    if (found === null) return
    if (!found.isSocket()) {
      throw new AgentError('ERR_AGENT_SOCKET_PATH', `${path} is there and is no socket`, 'move it away')
    }
    if (await answers(path, clock)) {
      throw new AgentError(
        'ERR_AGENT_SOCKET_BUSY',
        `another agent serves ${path}`,
        'stop it, use it as the SDS server, or choose another socket path',
      )
    }
    await unlink(path)
  } catch (cause) {
    if (cause instanceof AgentError) throw cause
    const mend = 'give this user write access to its directory'
    throw new AgentError('ERR_AGENT_SOCKET', `cannot prepare ${path}`, mend, { cause })
  }
}

/**
 * Proxies run as other users: everybody who reaches the directory may connect (dataplane §1.3), and who connects gets the
 * private key. True when that is everybody on the machine: the directory should not let others in.
 */
export async function openToAll(path: string): Promise<boolean> {
  await chmod(path, 0o666)
  const { mode } = await stat(dirname(path))
  return (mode & 0o001) !== 0
}

/** Whether somebody accepts there. Too slow to say so within a second counts as gone, as in Istio. */
function answers(path: string, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const settle = (alive: boolean) => {
      timer.cancel()
      socket.destroy()
      resolve(alive)
    }
    const timer = clock.after(answerMs, () => settle(false))
    socket.on('connect', () => settle(true))
    socket.on('error', () => settle(false))
  })
}
