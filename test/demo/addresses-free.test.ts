import { test } from 'node:test'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { demandFreeAddresses } from '../../src/demo/addresses-free.ts'
import { topology } from '../../src/demo/topology.ts'

// Ports of the demo are fixed; the addresses are this test's own.
const places = topology('127.83.83')

test('an address in use is named, with the option that chooses others', async () => {
  const server = createServer().listen(8080, places.backend.address)
  await once(server, 'listening')
  try {
    await assert.rejects(demandFreeAddresses(places), (error: Error & { line: string }) => {
      assert.match(
        error.line,
        /^error: ERR_DEMO_ADDRESS photo-backend cannot listen on 127\.83\.83\.2:8080: /,
      )
      assert.match(error.line, /--prefix/)
      return true
    })
  } finally {
    server.close()
  }
})

test('free addresses are left free', async () => {
  await demandFreeAddresses(places)
  await demandFreeAddresses(places)
})
