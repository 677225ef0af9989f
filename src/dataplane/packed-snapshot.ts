/**
 * A snapshot on its way to the data threads: its lists written once, to memory that all threads share, in pieces that are
 * read one by one between requests. It carries values and judges none.
 */
import { deserialize, serialize } from 'node:v8'
import type { PartHashes, Snapshot } from '../discovery/snapshot.ts'
import type { Steps } from '../lifecycle/steps.ts'

/** Lists that may be long, by the part whose hash covers them; null = always read. */
const lists = {
  authorizationPolicies: 'policy',
  requestAuthentications: 'tokens',
  tokenRefusals: 'tokens',
  services: 'routing',
  destinationRules: 'routing',
  peerAuthentications: 'routing',
  quarantine: null,
} as const satisfies Partial<Record<keyof Snapshot, keyof PartHashes | null>>

type ListName = keyof typeof lists
type Pieces = readonly Uint8Array[]

export interface PackedSnapshot extends Omit<Snapshot, ListName> {
  readonly pieces: Readonly<Record<ListName, Pieces>>
}

/** A piece is read in one step: longer ones are halved, down to one value. */
const mostBytes = 64 * 1024
const mostValues = 64

/** `previous` lends the pieces of equal parts. */
export function packSnapshot(snapshot: Snapshot, previous: PackedSnapshot | null = null): PackedSnapshot {
  const { authorizationPolicies, requestAuthentications, tokenRefusals } = snapshot
  const { services, destinationRules, peerAuthentications, quarantine, ...rest } = snapshot
  const pack = (name: ListName, values: readonly unknown[]): Pieces => {
    const known = previous !== null && isEqualPart(name, snapshot.parts, previous.parts)
    return known ? previous.pieces[name] : pieces(values)
  }
  return {
    ...rest,
    pieces: {
      authorizationPolicies: pack('authorizationPolicies', authorizationPolicies),
      requestAuthentications: pack('requestAuthentications', requestAuthentications),
      tokenRefusals: pack('tokenRefusals', tokenRefusals),
      services: pack('services', services),
      destinationRules: pack('destinationRules', destinationRules),
      peerAuthentications: pack('peerAuthentications', peerAuthentications),
      quarantine: pieces(quarantine),
    },
  }
}

/** `previous` lends the lists of equal parts. Each step is one piece. */
export function* unpackSnapshot(packed: PackedSnapshot, previous: Snapshot | null): Steps<Snapshot> {
  const { pieces: written, ...rest } = packed
  function* read<N extends ListName>(name: N): Steps<Snapshot[N]> {
    if (previous !== null && isEqualPart(name, packed.parts, previous.parts)) return previous[name]
    const values: unknown[] = []
    for (const piece of written[name]) {
      for (const value of deserialize(piece) as unknown[]) values.push(value)
      yield
    }
    return values as unknown as Snapshot[N]
  }
  return {
    ...rest,
    authorizationPolicies: yield* read('authorizationPolicies'),
    requestAuthentications: yield* read('requestAuthentications'),
    tokenRefusals: yield* read('tokenRefusals'),
    services: yield* read('services'),
    destinationRules: yield* read('destinationRules'),
    peerAuthentications: yield* read('peerAuthentications'),
    quarantine: yield* read('quarantine'),
  }
}

function isEqualPart(name: ListName, now: PartHashes, before: PartHashes): boolean {
  const part = lists[name]
  return part !== null && now[part] === before[part]
}

function pieces(values: readonly unknown[]): Pieces {
  const out: Uint8Array[] = []
  for (let at = 0; at < values.length; at += mostValues) addPieces(values.slice(at, at + mostValues), out)
  return out
}

function addPieces(values: readonly unknown[], out: Uint8Array[]): void {
  const bytes = serialize(values)
  if (bytes.length > mostBytes && values.length > 1) {
    const half = values.length >>> 1
    addPieces(values.slice(0, half), out)
    addPieces(values.slice(half), out)
    return
  }
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
  shared.set(bytes)
  out.push(shared)
}
