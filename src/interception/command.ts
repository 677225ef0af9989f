/** Runs one program with a list of arguments and waits for it. Never through a shell, and never longer than a minute. */
import { execFile } from 'node:child_process'

export interface CommandResult {
  /** 127 when there is no such program, 124 when it took too long. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export type RunCommand = (file: string, args: readonly string[], input?: string) => Promise<CommandResult>

/** Longer than the 30 s a legacy tool may wait for the lock of its tables. */
const longestMs = 60_000

/** `path`: where programs are looked for. The directories of system tools are added: many users' paths lack them. */
export function commandRunner(path: string): RunCommand {
  const env = { PATH: [path, '/usr/sbin', '/sbin'].filter((part) => part !== '').join(':'), LC_ALL: 'C' }
  return (file, args, input) =>
    new Promise((resolve) => {
      const child = execFile(
        file,
        [...args],
        { env, timeout: longestMs, maxBuffer: 64 * 1024 * 1024 },
        (error, stdout, stderr) => {
          resolve({ code: exitCode(error), stdout, stderr })
        },
      )
      // A program that ends before it read everything breaks the pipe; its exit code says what happened.
      child.stdin?.on('error', () => undefined)
      child.stdin?.end(input ?? '')
    })
}

function exitCode(error: (Error & { code?: number | string | null; killed?: boolean }) | null): number {
  if (error === null) return 0
  if (error.killed === true) return 124
  if (error.code === 'ENOENT') return 127
  return typeof error.code === 'number' ? error.code : 1
}
