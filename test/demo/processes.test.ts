import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../../src/demo/eventually.ts'
import { call } from '../../src/demo/http-call.ts'
import { lastLine, Processes, programs } from '../../src/demo/processes.ts'
import { topology } from '../../src/demo/topology.ts'

// The application listens on fixed ports of an address that is this test's own.
const prefix = '127.84.84'
const { datastore } = topology(prefix)
const folder = mkdtempSync(join(tmpdir(), 'processes-test-'))
test.after(() => rmSync(folder, { recursive: true }))

const serves = () =>
  call({ address: datastore.address, port: 18080, path: '/' }).then(
    () => true,
    () => false,
  )
const becomes = async (state: boolean): Promise<void> => {
  const { wanted } = await eventually(serves, (serving) => serving === state, 15_000)
  assert.ok(wanted, `the application ${state ? 'serves' : 'is gone'}`)
}

test('what was started is ended by asking', async () => {
  const processes = new Processes()
  processes.start('the application', programs.application, [prefix, 'datastore'], join(folder, 'a.log'))
  await becomes(true)
  await processes.stop()
  assert.equal(await serves(), false)
})

test('a process that ends by itself is told with its name and its last words', async () => {
  const processes = new Processes()
  processes.start('the odd one', programs.application, [prefix, 'nobody'], join(folder, 'b.log'))
  await assert.rejects(processes.failure, {
    code: 'ERR_DEMO_PROCESS',
    message: /^the odd one ended \(code 1\)/,
  })
  await processes.stop()
})

test('nothing outlives a demo that was killed', async () => {
  const script = `
    import { Processes, programs } from ${JSON.stringify(new URL('../../src/demo/processes.ts', import.meta.url).href)}
    new Processes().start('the application', programs.application, ${JSON.stringify([prefix, 'datastore'])}, ${JSON.stringify(join(folder, 'c.log'))})
    setInterval(() => undefined, 1000)`
  const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: 'ignore' })
  await becomes(true)
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  await becomes(false)
})

test('the last words of a log are its last message', () => {
  assert.equal(lastLine('{"msg":"first"}\n{"level":"info","msg":"second"}\n'), 'it last said "second"')
  assert.equal(lastLine('error: ERR_X y; z\n'), 'error: ERR_X y; z')
  assert.equal(lastLine(''), 'it said nothing')
  const crash =
    'node:events:505\n    throw er;\n\nError: listen EADDRINUSE: 127.0.0.1:1\n    at f (x:1)\n\nNode.js v26.10.0\n'
  assert.equal(lastLine(crash), 'Error: listen EADDRINUSE: 127.0.0.1:1')
})
