/** Looks whether every address of the demo can be listened on before anything is started. It keeps none of them. */
import { createServer } from 'node:net'
import { DemoError } from './demo-error.ts'
import { listeners } from './topology.ts'
import type { Listens, Topology } from './topology.ts'

/** Throws one error that names the first address in the way. */
export async function demandFreeAddresses(topology: Topology): Promise<void> {
  const wanted = listeners(topology)
  const problems = await Promise.all(wanted.map((place) => tryListening(place)))
  const index = problems.findIndex((problem) => problem !== null)
  const [place, problem] = [wanted[index], problems[index]]
  if (place !== undefined && problem) throw inTheWay(place, problem, topology)
}

function tryListening({ address, port }: Listens): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(null)))
  })
}

function inTheWay({ address, port, who }: Listens, problem: string, topology: Topology): DemoError {
  const what = `${who} cannot listen on ${address}:${port}`
  if (problem === 'EADDRNOTAVAIL') {
    // Linux has all of 127/8; macOS has what was added.
    const last = [...new Set(listeners(topology).map((place) => place.address.split('.').at(-1)))].join(' ')
    return new DemoError(
      'ERR_DEMO_ADDRESS',
      `${what}: this machine has no such loopback address`,
      `add it; on macOS: for n in ${last}; do sudo ifconfig lo0 alias ${topology.prefix}.$n up; done`,
    )
  }
  const why = problem === 'EADDRINUSE' ? 'the port is in use, perhaps by another demo' : problem
  return new DemoError('ERR_DEMO_ADDRESS', `${what}: ${why}`, 'choose other addresses: --prefix 127.0.9')
}
