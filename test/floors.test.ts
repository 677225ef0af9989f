/**
 * The house plan as a test: which room may import which, which dependency enters by which door, no cycles, no file over
 * 400 lines. It reads imports as text, so it needs no build and sees type imports too.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

const floors: Record<string, number> = {
  error: 0,
  decode: 0,
  lifecycle: 0,
  spiffe: 0,
  address: 0,
  match: 0,
  wire: 0,
  http1: 0,
  http2: 0,
  policy: 0,
  proto: 0,
  authz: 1,
  cluster: 1,
  identity: 2,
  tls: 2,
  sds: 2,
  jwt: 2,
  discovery: 2,
  telemetry: 2,
  'ext-authz': 2,
  dataplane: 3,
  admin: 3,
  agent: 3,
  ca: 3,
  'config-server': 3,
  interception: 3,
  cli: 4,
  bootstrap: 4,
  demo: 4,
  main: 4,
}

/** Imports on one floor, each with its reason in docs/architecture.md. */
const sideways: Record<string, readonly string[]> = {
  policy: ['decode', 'spiffe', 'address', 'match', 'lifecycle'],
  match: ['address'],
  cluster: [],
  tls: ['identity'],
  sds: ['identity'],
  discovery: ['jwt', 'identity'],
  main: ['cli'],
  cli: ['bootstrap', 'demo'],
  demo: ['bootstrap'],
}

/** Everybody may use these two. */
const open = new Set(['error', 'lifecycle'])

const doors: Record<string, readonly string[]> = {
  'node:tls': ['tls'],
  undici: ['jwt', 'admin', 'demo', 'ext-authz'],
  '@grpc/grpc-js': ['sds', 'discovery', 'agent', 'ca', 'config-server', 'ext-authz'],
  '@grpc/proto-loader': ['proto'],
  'prom-client': ['telemetry'],
  pino: ['telemetry'],
  '@peculiar/x509': ['agent', 'ca'],
  jose: ['jwt'],
  yaml: ['policy'],
  chokidar: ['discovery'],
  koffi: ['dataplane'],
  commander: ['cli'],
}

/** Floors 0 and 1 import nothing from node:, but for these. */
const nodeOnLowFloors: Record<string, readonly string[]> = { proto: ['node:url', 'node:path'] }

interface Import {
  readonly file: string
  readonly room: string
  readonly target: string
}

const files = globSync('src/**/*.ts').toSorted()
const roomOf = (file: string): string => {
  const [, room] = file.split('/')
  return room?.replace(/\.ts$/, '') ?? ''
}
const imports: Import[] = files.flatMap((file) =>
  [
    ...readFileSync(file, 'utf8').matchAll(
      /(?:^|\n)\s*(?:import|export)\b[^'"]*?from\s*'([^']+)'|import\(\s*'([^']+)'\s*\)|(?:^|\n)import\s*'([^']+)'/g,
    ),
  ].map((found) => ({ file, room: roomOf(file), target: found[1] ?? found[2] ?? found[3] ?? '' })),
)
const local = imports
  .filter((entry) => entry.target.startsWith('.'))
  .map((entry) => ({ ...entry, to: normalize(join(dirname(entry.file), entry.target)) }))

test('every room stands on a floor', () => {
  const homeless = [...new Set(files.map(roomOf))].filter((room) => floors[room] === undefined)
  assert.deepEqual(homeless, [])
})

test('imports go down, sideways only where an arrow says so', () => {
  const wrong = local.filter(({ room, to }) => {
    const target = roomOf(to)
    if (target === room || open.has(target)) return false
    const [from, into] = [floors[room] ?? 0, floors[target] ?? 9]
    return into > from || (into === from && !(sideways[room] ?? []).includes(target))
  })
  assert.deepEqual(
    wrong.map(({ file, to }) => `${file} -> ${to}`),
    [],
  )
})

test('relative imports name existing files with their ending', () => {
  const known = new Set(files)
  assert.deepEqual(
    local.filter(({ to }) => !known.has(to)).map(({ file, to }) => `${file} -> ${to}`),
    [],
  )
})

test('a dependency enters through its doors only', () => {
  const wrong = imports.filter(({ room, target }) => {
    if (target.startsWith('.')) return false
    const name = target.startsWith('@')
      ? target.split('/').slice(0, 2).join('/')
      : target.startsWith('node:')
        ? target
        : (target.split('/')[0] ?? '')
    if (name.startsWith('node:') && doors[name] === undefined) {
      return (floors[room] ?? 0) < 2 && !open.has(room) && !(nodeOnLowFloors[room] ?? []).includes(name)
    }
    return doors[name] === undefined || !doors[name].includes(room)
  })
  assert.deepEqual(
    wrong.map(({ file, target }) => `${file} -> ${target}`),
    [],
  )
})

test('koffi is touched by one file', () => {
  const users = imports.filter(({ target }) => target === 'koffi').map(({ file }) => file)
  assert.deepEqual(
    [...new Set(users)].filter((file) => file !== 'src/dataplane/original-destination.ts'),
    [],
  )
})

test('argv and the environment are read in cli and bootstrap only', () => {
  const wrong = files.filter(
    (file) =>
      !['cli', 'bootstrap', 'demo', 'main'].includes(roomOf(file)) &&
      /process\.(env|argv)\b/.test(readFileSync(file, 'utf8')),
  )
  assert.deepEqual(wrong, [])
})

test('permits are made by the policy compiler alone', () => {
  const makers = files.filter(
    (file) => /\bgrant\(/.test(readFileSync(file, 'utf8')) && file !== 'src/authz/permit.ts',
  )
  assert.deepEqual(
    makers.filter((file) => file !== 'src/authz/compile.ts'),
    [],
  )
})

test('the import graph has no cycle', () => {
  const graph = new Map(files.map((file) => [file, [] as string[]]))
  for (const { file, to } of local) graph.get(file)?.push(to)
  const state = new Map<string, 'open' | 'done'>()
  const cycles: string[] = []
  const visit = (file: string, path: string[]): void => {
    if (state.get(file) === 'done') return
    if (state.get(file) === 'open') {
      cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
      return
    }
    state.set(file, 'open')
    for (const next of graph.get(file) ?? []) visit(next, [...path, file])
    state.set(file, 'done')
  }
  for (const file of files) visit(file, [])
  assert.deepEqual(cycles, [])
})

test('no source file is over 400 lines, and each opens by saying what it is', () => {
  const long: string[] = []
  const mute: string[] = []
  for (const file of files) {
    const text = readFileSync(file, 'utf8')
    if (text.split('\n').length > 401) long.push(file)
    if (!text.startsWith('/**') && !text.startsWith('#!')) mute.push(file)
  }
  assert.deepEqual({ long, mute }, { long: [], mute: [] })
})

test('no room is a drawer for strangers', () => {
  const drawers = files.filter((file) => /\/(utils?|helpers?|common|misc|types|index)\.ts$/.test(file))
  assert.deepEqual(drawers, [])
})
