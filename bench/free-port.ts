/** Ports nobody listens on, asked of the kernel. They are free when asked, not reserved. */
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Target } from './contender.ts'

export async function freePort(address: string): Promise<Target> {
  const server = createServer()
  await new Promise<void>((resolve, reject) =>
    server.listen(0, address, () => resolve()).once('error', reject),
  )
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return { address, port }
}
