/**
 * Nanoseconds a decision with 10 to 10,000 policies: our engine, its plain twin, casbin and Cedar on the same rules and
 * questions. It checks that all of them agree, reports, and asserts no time; `--smoke` runs everything once, short.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { casbinEngine } from './policy/casbin-engine.ts'
import { cedarEngine } from './policy/cedar-engine.ts'
import type { Engine } from './policy/engine.ts'
import { ourEngines, referenceEngine } from './policy/our-engines.ts'
import { ourPolicies } from './policy/our-policies.ts'
import { questionMix, ruleMix } from './policy/rule-mix.ts'
import { longest, manyServices, total, worldOf } from './policy/world-slices.ts'

const smoke = process.argv.includes('--smoke')
const sizes = smoke ? [10, 100] : [10, 100, 1000, 10_000]
const questionCount = 256
/** How long one engine is asked at one size. */
const windowMs = smoke ? 20 : 400

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const columns = new Map<string, number[]>()
const note = (name: string, value: number): void => {
  columns.set(name, [...(columns.get(name) ?? []), value])
}

for (const size of sizes) {
  const rules = ruleMix(size)
  const questions = questionMix(rules, questionCount)
  const policies = ourPolicies(rules)
  const ours = ourEngines(policies, questions)
  const engines = [
    ours.bound,
    ours.reconnecting,
    ours.cold,
    referenceEngine(policies, questions),
    await casbinEngine(rules, questions),
    cedarEngine(rules, questions),
  ]
  const allowed = agreement(engines, size)
  for (const engine of engines) note(`${engine.name} (ns)`, nanoseconds(engine))
  note('ours, bytes allocated a decision', bytesPerDecision(ours.bound))
  note('allowed of 256 questions', allowed)
  note('ours, compile (ms)', ours.bound.loadMs)
  const services = manyServices(size / 2)
  const hashes = { policy: String(size), tokens: '', routing: String(size) }
  const first = await worldOf(policies, services, null, hashes)
  const again = await worldOf(policies, services, first.world, { ...hashes, policy: `${size} new` })
  const moved = await worldOf(policies, services, again.world, { ...again.world.snapshot.parts, routing: '' })
  note('world of size / 2 services too, sliced (CPU ms)', total(first))
  note('… longest slice (CPU ms)', longest(first))
  note('… policies changed (CPU ms)', total(again))
  note('… longest slice (CPU ms)', longest(again))
  note('… endpoints changed (CPU ms)', total(moved))
  note('… longest slice (CPU ms)', longest(moved))
  for (const { name, loadMs } of engines.slice(-2)) note(`${name}, load (ms)`, loadMs)
}

const width = Math.max(...[...columns.keys()].map((name) => name.length))
say(`${'policies'.padEnd(width)} ${sizes.map((size) => String(size).padStart(13)).join('')}`)
for (const [name, values] of columns) {
  say(`${name.padEnd(width)} ${values.map((value) => round(value).padStart(13)).join('')}`)
}
const bound = columns.get('ours, connection bound (ns)') ?? []
say(`growth from ${sizes[0]} to ${sizes.at(-1)}: ${((bound.at(-1) ?? 0) / (bound[0] ?? 1)).toFixed(2)}x`)

/** Engines that answer differently are not comparable. The slow ones are asked a part. */
function agreement(engines: readonly Engine[], size: number): number {
  const [first] = engines
  if (first === undefined) return 0
  let allowed = 0
  for (let n = 0; n < questionCount; n++) {
    const expected = first.ask(n)
    if (expected) allowed++
    for (const { name, ask } of engines) {
      if (size > 1000 && n % 16 > 1 && !name.startsWith('ours')) continue
      if (ask(n) !== expected) throw new Error(`${name} disagrees on question ${n} of ${size} policies`)
    }
  }
  return allowed
}

/**
 * Tenth percentile of windows, after a warm-up: what the machine does beside only ever adds. The clock is read once a
 * round of questions, or once each for slow engines.
 */
function nanoseconds({ ask }: Engine): number {
  const one = performance.now()
  ask(1)
  const slow = performance.now() - one > 0.5
  const round = slow ? 1 : questionCount
  const samples: number[] = []
  let n = 0
  const until = performance.now() + windowMs * 2
  const warm = performance.now() + windowMs
  while (performance.now() < until || samples.length < 3) {
    const start = performance.now()
    for (let i = 0; i < round; i++) {
      ask(n)
      n = (n + 1) % questionCount
    }
    const end = performance.now()
    if (end > warm || slow) samples.push(((end - start) * 1e6) / round)
  }
  samples.sort((x, y) => x - y)
  // Slow engines are asked unlike questions a sample, so their mean is the fair figure.
  if (slow) return samples.reduce((sum, sample) => sum + sample, 0) / samples.length
  return samples[Math.floor(samples.length / 10)] ?? 0
}

/** Few enough decisions that no collection comes between; what the loop itself allocates is in it. */
function bytesPerDecision({ ask }: Engine): number {
  const decisions = questionCount * 200
  for (let i = 0; i < decisions; i++) ask(i % questionCount)
  collect()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < decisions; i++) ask(i % questionCount)
  return Math.max(0, process.memoryUsage().heapUsed - before) / decisions
}

function round(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en-US')
  return value.toFixed(value < 10 ? 2 : 1)
}
