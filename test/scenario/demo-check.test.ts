import { test } from 'node:test'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { tour } from '../../src/demo/tour.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

test('the guided tour finds every claim true, and leaves nothing behind', { timeout: 110_000 }, async () => {
  const { code, output } = await run(['demo', '--check', '--prefix', '127.0.77'])
  assert.doesNotMatch(output, /^✗/m, output)
  for (const { name } of tour) assert.ok(output.includes(`✓ ${name} (`), `${name}\n${output}`)
  assert.match(output, new RegExp(`^all ${tour.length} checks passed in [\\d.]+ s$`, 'm'))
  assert.equal(code, 0, output)
  assert.doesNotMatch(output, /working folder is kept/)
})

function run(args: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { timeout: 100_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), output: `${stdout}${stderr}` })
    })
  })
}
