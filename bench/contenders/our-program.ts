/**
 * Builds ours as the package ships it, JavaScript without a type stripper in memory, into the run's own folder. It leaves
 * dist/ of the checkout alone.
 */
import { execFile } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { version } from '../../src/cli/version.ts'

export interface OurProgram {
  /** File that node runs. */
  readonly main: string
  readonly version: string
}

const root = new URL('../..', import.meta.url).pathname

/** What the shipped executable asks of node in its first line. */
export const shippedFlags: readonly string[] =
  readFileSync(join(root, 'bin/sallyport.js'), 'utf8')
    .split('\n', 1)[0]
    ?.split(' ')
    .filter((word) => word.startsWith('--')) ?? []

export const sourceProgram: OurProgram = { main: join(root, 'src/main.ts'), version: `${version} (source)` }

/** Types are not judged here: `npm run types` does that. */
export async function buildOurs(folder: string): Promise<OurProgram> {
  const target = join(folder, 'package')
  const dist = join(target, 'dist')
  mkdirSync(target)
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const args = [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', dist, '--noCheck']
  await new Promise<void>((resolve, reject) =>
    execFile(process.execPath, args, { cwd: root }, (error, stdout) =>
      error ? reject(new Error(`ours cannot be built: ${stdout.slice(0, 300)}`)) : resolve(),
    ),
  )
  for (const file of globSync('src/**/*.{proto,json,yaml}', { cwd: root }))
    cpSync(join(root, file), join(dist, file.slice('src/'.length)))
  cpSync(join(root, 'package.json'), join(target, 'package.json'))
  symlinkSync(join(root, 'node_modules'), join(target, 'node_modules'))
  return { main: join(dist, 'main.js'), version }
}
