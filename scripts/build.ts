/**
 * Builds the package: types are checked and stripped into dist/, and what is no TypeScript but read at run time goes
 * along. It bundles nothing.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, globSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
rmSync('dist', { recursive: true, force: true })
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  stdio: 'inherit',
})
for (const file of globSync('src/**/*.{proto,json,yaml}')) cpSync(file, file.replace(/^src/, 'dist'))
chmodSync('bin/sallyport.js', 0o755)
process.stdout.write('dist/ is built\n')
