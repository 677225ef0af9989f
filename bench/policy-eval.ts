/**
 * Seconds that `policy eval` takes for one stream of requests, as an operator runs it: a process, a folder, a pipe. It
 * checks that every line was answered and asserts no time. `--lines 100000 --policies 200` unless told otherwise.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { lines: { type: 'string' }, policies: { type: 'string' }, smoke: { type: 'boolean' } },
})
const lines = Number(values.lines ?? (values.smoke === true ? 2000 : 100_000))
const sizes = values.policies === undefined ? [3, 200] : [Number(values.policies)]

/** Each lets one caller read one path; so most requests are refused and told which rule came nearest. */
const policy = (index: number): string =>
  JSON.stringify({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: `p${index}`, namespace: 'shop' },
    spec: {
      rules: [
        {
          from: [{ source: { principals: [`cluster.local/ns/shop/sa/caller-${index}`] } }],
          to: [{ operation: { methods: ['GET'], paths: [`/api/${index}/*`] } }],
        },
      ],
    },
  })

const question = (index: number, policies: number): string =>
  `${JSON.stringify({
    id: index,
    workload: { namespace: 'shop' },
    source: { principal: `cluster.local/ns/shop/sa/caller-${index % (policies * 2)}`, ip: '10.0.0.1' },
    destination: { ip: '10.0.0.2', port: 8080 },
    method: index % 7 === 0 ? 'POST' : 'GET',
    path: `/api/${index % 10 === 0 ? index % policies : 'other'}/${index}`,
    host: 'web.shop',
  })}\n`

for (const policies of sizes) {
  const dir = await mkdtemp(`${tmpdir()}/sallyport-bench-`)
  try {
    await writeFile(`${dir}/p.yaml`, Array.from({ length: policies }, (_, i) => policy(i)).join('\n---\n'))
    const { seconds, answered, allowed, missed } = await answer(dir, policies)
    if (answered !== lines) throw new Error(`${answered} of ${lines} lines answered`)
    process.stdout.write(
      `${policies} policies: ${lines} lines in ${seconds.toFixed(2)} s, ` +
        `${((seconds / lines) * 1e6).toFixed(1)} µs a line with start and load; ${allowed} allowed, ${missed} with a nearest miss\n`,
    )
  } finally {
    await rm(dir, { recursive: true })
  }
}

async function answer(dir: string, policies: number) {
  const started = performance.now()
  const child = spawn(process.execPath, ['src/main.ts', 'policy', 'eval', '--config', dir], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let [answered, allowed, missed, rest] = [0, 0, 0, '']
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const whole = (rest + chunk).split('\n')
    rest = whole.pop() ?? ''
    for (const line of whole) {
      answered += 1
      if (line.startsWith('{"allowed":true')) allowed += 1
      else if (!line.endsWith('"miss":null}')) missed += 1
    }
  })
  const closed = once(child, 'close')
  for (let index = 0; index < lines; index += 500) {
    let text = ''
    for (let i = index; i < Math.min(index + 500, lines); i += 1) text += question(i, policies)
    if (!child.stdin.write(text)) await once(child.stdin, 'drain')
  }
  child.stdin.end()
  await closed
  return { seconds: (performance.now() - started) / 1000, answered, allowed, missed }
}
