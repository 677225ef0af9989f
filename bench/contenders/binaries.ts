/**
 * Finds the binaries of the other proxies and their versions. It resolves what only stands in for a binary: the process
 * that is started must be the one that works.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { delimiter, join } from 'node:path'

export interface Binary {
  readonly path: string
  readonly version: string
  /** Everything it said of itself. */
  readonly details: string
}

export function findNginx(): Binary | null {
  return ask(onPath('nginx'), ['-V'], /nginx\/([\d.]+)/)
}

export function findHaproxy(): Binary | null {
  return ask(onPath('haproxy'), ['-v'], /version ([\d.]+)/)
}

/** `ENVOY`, or `envoy` on PATH; the Python package's script is followed to the binary it carries. */
export function findEnvoy(): Binary | null {
  const found = process.env['ENVOY'] ?? onPath('envoy')
  return ask(found === null ? null : carried(found), ['--version'], /version: \w+\/(\d+\.\d+\.\d+)/)
}

function carried(path: string): string | null {
  const real = realpathSync(path)
  if (!readFileSync(real).subarray(0, 2).equals(Buffer.from('#!'))) return real
  try {
    const program = 'import envoy, os; print(os.path.join(os.path.dirname(envoy.__file__), "_bin", "envoy"))'
    const binary = execFileSync('python3', ['-c', program], { encoding: 'utf8', timeout: 10_000 }).trim()
    return existsSync(binary) ? binary : null
  } catch {
    return null
  }
}

function onPath(name: string): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.map((folder) => join(folder, name)).find(existsSync) ?? null
}

function ask(path: string | null, args: readonly string[], version: RegExp): Binary | null {
  if (path === null) return null
  try {
    // nginx says it on standard error.
    const details = execFileSync('sh', ['-c', 'exec "$0" "$@" 2>&1', path, ...args], {
      encoding: 'utf8',
      timeout: 10_000,
    })
    return { path, version: version.exec(details)?.[1] ?? 'unknown', details }
  } catch {
    return null
  }
}
