/** Command line of the bench to one value, or what is wrong with it. It reads nothing but the words it is given. */
export const contenderNames = ['ours', 'nginx', 'haproxy', 'envoy'] as const
export type ContenderName = (typeof contenderNames)[number]

/** `on`: access log to a file, XFCC and request id as well; `plain`: mTLS and the header rule alone. */
export type Settings = 'on' | 'plain'
export type Mode = 'pair' | 'single' | 'tcp'

export interface BenchOptions {
  readonly smoke: boolean
  readonly only: readonly ContenderName[]
  readonly settings: readonly Settings[]
  readonly modes: readonly Mode[]
  readonly connections: readonly number[]
  /** Of one measured window. */
  readonly seconds: number
  readonly rounds: number
  /** Before each window, not counted. */
  readonly warmSeconds: number
  /** Load on every contender before the first window, a mode; counts nowhere. */
  readonly primeSeconds: number
  /** File of the results; null = bench/results/DATE-NAME.json, and no file at all for a smoke run. */
  readonly json: string | null
  readonly name: string
  /** Exit 1 when a target is missed. */
  readonly gate: boolean
  readonly keep: boolean
  /** Run ours from src/ by type stripping, not as it is shipped. */
  readonly source: boolean
}

export type ParsedOptions =
  | { readonly kind: 'run'; readonly options: BenchOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly reason: string }

export const help = `usage: npm run bench -- [options]

  --smoke            everything once, 8 connections, short windows, no gate, nothing kept (about 30 s)
  --only LIST        of ${contenderNames.join(',')}
  --settings LIST    of on,plain (default both; on = access log, XFCC and request id too)
  --modes LIST       of pair,single,tcp
  --connections LIST concurrent connections (default 1,8,32,128)
  --seconds N        length of a measured window (default 2)
  --rounds N         interleaved rounds; medians are printed (default 3)
  --json FILE        where results go (default bench/results/DATE-NAME.json, beside an SVG chart)
  --name NAME        names that file (default bench)
  --no-gate          exit 0 even when a target is missed
  --source           run ours from src/ by type stripping instead of as built for the package
  --keep             leave configurations and logs behind and say where
`

const lists = {
  '--only': contenderNames,
  '--settings': ['on', 'plain'],
  '--modes': ['pair', 'single', 'tcp'],
} as const

export function parseOptions(words: readonly string[]): ParsedOptions {
  const texts = new Map<string, string>()
  const switches = new Set<string>()
  for (let i = 0; i < words.length; i += 1) {
    const [name = '', attached] = (words[i] as string).split(/=(.*)/s, 2)
    if (name === '--help' || name === '-h') return { kind: 'help' }
    if (['--smoke', '--no-gate', '--keep', '--source'].includes(name)) switches.add(name)
    else if (name in lists || ['--connections', '--seconds', '--rounds', '--json', '--name'].includes(name)) {
      const value = attached ?? words[(i += 1)]
      if (value === undefined || value === '') return wrong(`${name} needs a value`)
      texts.set(name, value)
    } else return wrong(`${name} is no option (--help lists them)`)
  }
  for (const [name, allowed] of Object.entries(lists)) {
    const strange = listed(texts.get(name)).find((word) => !(allowed as readonly string[]).includes(word))
    if (strange !== undefined) return wrong(`${name} ${strange}: choose of ${allowed.join(',')}`)
  }
  const smoke = switches.has('--smoke')
  const connections = listed(texts.get('--connections') ?? (smoke ? '8' : '1,8,32,128')).map(Number)
  const seconds = Number(texts.get('--seconds') ?? (smoke ? 0.6 : 2))
  const rounds = Number(texts.get('--rounds') ?? (smoke ? 1 : 3))
  if (connections.some((c) => !Number.isInteger(c) || c < 1 || c > 1000))
    return wrong('--connections: whole numbers from 1 to 1000')
  if (!(seconds >= 0.1 && seconds <= 120)) return wrong('--seconds: from 0.1 to 120')
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) return wrong('--rounds: from 1 to 100')
  const name = texts.get('--name') ?? 'bench'
  if (!/^[\w.-]{1,60}$/.test(name)) return wrong('--name: letters, digits, dot and dash')
  return {
    kind: 'run',
    options: {
      smoke,
      only: listed(texts.get('--only') ?? contenderNames.join(',')) as ContenderName[],
      settings: listed(texts.get('--settings') ?? (smoke ? 'on' : 'on,plain')) as Settings[],
      modes: listed(texts.get('--modes') ?? 'pair,single,tcp') as Mode[],
      connections,
      seconds,
      rounds,
      warmSeconds: smoke ? 0.4 : 0.7,
      primeSeconds: smoke ? 0.5 : 6,
      json: texts.get('--json') ?? null,
      name,
      gate: !smoke && !switches.has('--no-gate'),
      keep: switches.has('--keep'),
      source: switches.has('--source'),
    },
  }
}

const listed = (text: string | undefined): string[] => (text === undefined ? [] : text.split(','))

const wrong = (reason: string): ParsedOptions => ({ kind: 'wrong', reason })
