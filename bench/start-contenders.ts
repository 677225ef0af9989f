/** Starts every contender that was asked for and is there, checks each, and says who is left out and why. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Children } from './children.ts'
import type { Contender, Surroundings, Target } from './contender.ts'
import { findEnvoy, findHaproxy, findNginx } from './contenders/binaries.ts'
import { startEnvoy } from './contenders/envoy.ts'
import { startHaproxy } from './contenders/haproxy.ts'
import { startNginx } from './contenders/nginx.ts'
import { buildOurs, sourceProgram } from './contenders/our-program.ts'
import type { OurProgram } from './contenders/our-program.ts'
import { startOurs } from './contenders/ours.ts'
import { writeIdentities } from './identities.ts'
import type { Identities } from './identities.ts'
import type { BenchOptions, ContenderName, Settings } from './options.ts'
import { untilListening } from './until-listening.ts'
import { validate } from './validate.ts'

type Starter = (settings: Settings, around: Surroundings) => Promise<Contender>

export interface Started {
  readonly contenders: readonly Contender[]
  /** Lines for the reader. */
  readonly notes: readonly string[]
  /** Contenders that are there and do not do the job. */
  readonly failures: readonly string[]
}

export async function startContenders(
  options: BenchOptions,
  app: { readonly http: Target; readonly tcp: Target },
  folder: string,
  children: Children,
): Promise<Started> {
  const identities = await writeIdentities(folder)
  const notes: string[] = []
  const failures: string[] = []
  const program = options.source ? sourceProgram : await buildOurs(folder)
  const starters = findStarters(identities, program, children)
  const wanted = options.only.flatMap((name) => options.settings.map((settings) => ({ name, settings })))
  const contenders = await Promise.all(
    wanted.map(async ({ name, settings }, index) => {
      const start = starters[name]
      if (start === null) {
        if (settings === options.settings[0]) notes.push(`${name} is not installed: left out`)
        return null
      }
      const own = join(folder, `${name}-${settings}`)
      await mkdir(own, { mode: 0o700 })
      try {
        const contender = await start(settings, {
          folder: own,
          outboundAddress: `127.0.9.${2 * index + 1}`,
          inboundAddress: `127.0.9.${2 * index + 2}`,
          appHttp: app.http,
          appTcp: app.tcp,
        })
        const { pairHttp, pairTcp, singleHttp, singleTcp, outbound, inbound } = contender
        for (const target of [singleHttp, singleTcp])
          if (target !== null) await untilListening(target, inbound)
        for (const target of [pairHttp, pairTcp]) if (target !== null) await untilListening(target, outbound)
        const { wrong, http, tcp } = await validate(contender)
        for (const line of wrong) failures.push(`${name} (${settings}): ${line}`)
        if (contender.pairTcp === null)
          notes.push(`${name} carries no opaque TCP here: its module is not installed`)
        if (!http) return null
        return tcp ? contender : { ...contender, pairTcp: null }
      } catch (error) {
        failures.push(`${name} (${settings}): ${(error as Error).message}`)
        return null
      }
    }),
  )
  return { contenders: contenders.filter((one) => one !== null), notes: [...new Set(notes)], failures }
}

function findStarters(
  identities: Identities,
  program: OurProgram,
  children: Children,
): Readonly<Record<ContenderName, Starter | null>> {
  const nginx = findNginx()
  const haproxy = findHaproxy()
  const envoy = findEnvoy()
  return {
    ours: (settings, around) => startOurs(program, settings, around, children),
    nginx: nginx && ((settings, around) => startNginx(nginx, settings, around, identities, children)),
    haproxy: haproxy && ((settings, around) => startHaproxy(haproxy, settings, around, identities, children)),
    envoy: envoy && ((settings, around) => startEnvoy(envoy, settings, around, identities, children)),
  }
}
