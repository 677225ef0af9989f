/**
 * `sallyport demo`: starts the whole mesh, then walks the tour or stays and tells what happens, then ends all of it. It
 * reads as that order; every step is a file of its own.
 */
import { demandFreeAddresses } from './addresses-free.ts'
import { readableLine } from './live-lines.ts'
import { picture, thingsToTry } from './picture.ts'
import { Processes } from './processes.ts'
import type { RunningMesh } from './running-mesh.ts'
import { startMesh } from './start-mesh.ts'
import { topology } from './topology.ts'
import { tour, walk } from './tour.ts'
import { WorkingFolder } from './working-folder.ts'

export interface DemoFlags {
  readonly check?: boolean
  readonly prefix: string
  readonly keep?: boolean
}

/** Short in the tour, which waits for two rotations; else long enough to read what /certs shows. */
const certificateTtl = { tour: '8s', stay: '10m' } as const

export async function runDemo(flags: DemoFlags): Promise<number> {
  const start = performance.now()
  const seconds = (): string => `${((performance.now() - start) / 1000).toFixed(1)} s`
  const places = topology(flags.prefix)
  await demandFreeAddresses(places)
  const folder = await WorkingFolder.make(places)
  const processes = new Processes()
  const interrupt = interrupted(() => processes.kill())
  let keep = flags.keep === true
  try {
    print(`sallyport demo: three services, each with a sidecar, and a control plane on ${places.prefix}.x`)
    const mesh = await Promise.race([
      startMesh({
        topology: places,
        folder,
        processes,
        certificateTtl: flags.check === true ? certificateTtl.tour : certificateTtl.stay,
        progress: (line) => print(`  ${line} (${seconds()})`),
      }),
      interrupt.asked,
    ])
    if (mesh === null) return interruptedCode
    if (flags.check !== true) return await stay(mesh, interrupt.asked)
    print('')
    const failed = await Promise.race([walk(mesh, print), interrupt.asked, processes.failure])
    if (failed === null) return interruptedCode
    const count = tour.length
    print('')
    print(
      failed === 0
        ? `all ${count} checks passed in ${seconds()}`
        : `${failed} of ${count} checks failed in ${seconds()}; --keep leaves the logs`,
    )
    return failed === 0 ? 0 : 1
  } catch (error) {
    // The logs say why.
    keep = true
    throw error
  } finally {
    await processes.stop()
    if (keep) print(`the working folder is kept: ${folder.path}`)
    else await folder.remove()
    interrupt.forget()
  }
}

async function stay(mesh: RunningMesh, asked: Promise<null>): Promise<number> {
  print('')
  print(picture(mesh.topology))
  print('')
  print(thingsToTry(mesh.topology, mesh.folder.config))
  print('')
  for (const tier of mesh.topology.tiers) {
    mesh.log(tier).subscribe((line) => {
      const text = readableLine(line, tier)
      if (text !== null) print(text)
    })
  }
  await Promise.race([asked, mesh.processes.failure])
  print('ending')
  return 0
}

/** What shells report for a program that Ctrl-C ended. */
const interruptedCode = 130

/** Resolves at the first Ctrl-C or SIGTERM; a second one does not wait for anybody. */
function interrupted(atOnce: () => void): { readonly asked: Promise<null>; forget(): void } {
  const first = Promise.withResolvers<null>()
  let times = 0
  const heard = (): void => {
    times += 1
    if (times === 1) return first.resolve(null)
    atOnce()
    process.exit(interruptedCode)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, heard)
  return {
    asked: first.promise,
    forget: () => signals.forEach((signal) => process.removeListener(signal, heard)),
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
