/** `policy explain` on the folder that is in force: why the forbidden call is refused, and what it lacks. */
import { execFile } from 'node:child_process'
import { principalOf } from '../configuration/authorization-policies.ts'
import { programs } from '../processes.ts'
import { CheckFailed, demand } from './check.ts'
import type { Check } from './check.ts'

/** Milliseconds; a program has to start. */
const patienceMs = 15_000

export const refusalIsExplained: Check = {
  name: 'explain: why photo-frontend may not call datastore, and what the nearest rule wants, asked of the folder',
  async run({ topology, folder }) {
    const { frontend, backend, datastore } = topology
    const question = {
      workload: { namespace: datastore.namespace, labels: { app: datastore.name } },
      source: { principal: principalOf(frontend), ip: frontend.address },
      host: datastore.shortName,
      path: '/hello',
    }
    const said = await explain(folder.config, question)
    const miss = /^nearest miss: (.*)$/m.exec(said)?.[1] ?? 'no nearest miss'
    demand(said.startsWith('REFUSED, no_allow_matched, status 403'), 'a refusal, no_allow_matched', said)
    for (const part of [
      `${datastore.namespace}/${datastore.name} rule 0`,
      principalOf(backend),
      frontend.identity,
    ])
      demand(miss.includes(part), `a nearest miss that names ${part}`, miss)
    return miss
  },
}

function explain(config: string, question: object): Promise<string> {
  const args = ['--no-warnings', programs.sallyport, 'policy', 'explain', '--config', config]
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, args, { timeout: patienceMs }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new CheckFailed('policy explain to answer', stderr || error.message))
    })
    child.stdin?.end(JSON.stringify(question))
  })
}
