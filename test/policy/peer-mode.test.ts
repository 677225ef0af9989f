/** Who wins among PeerAuthentications (policy-semantics §4.2), stubs of refused ones included. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { MtlsMode, PeerAuthentication } from '../../src/policy/peer-authentication.ts'
import type { LegacyRank } from '../../src/policy/legacy-scope.ts'
import { peerMode } from '../../src/policy/peer-mode.ts'

interface Given {
  ns?: string
  name?: string
  age?: number
  mode?: MtlsMode
  selector?: Record<string, string>
  ports?: Record<string, MtlsMode>
  stub?: boolean
  legacy?: LegacyRank
  /** Of a legacy policy; null = all. */
  on?: number[] | null
}

const peer = (given: Given): PeerAuthentication => ({
  meta: {
    name: given.name ?? 'p',
    namespace: given.ns ?? 'n',
    labels: {},
    annotations: {},
    createdAt: given.age ?? 0,
    origin: 'test',
  },
  selector: given.selector ?? null,
  mode: given.stub === true ? 'STRICT' : (given.mode ?? 'UNSET'),
  portLevel: given.ports ?? {},
  quarantined: given.stub === true ? 'refused' : null,
  legacy:
    given.legacy === undefined
      ? null
      : { rank: given.legacy, ports: given.on ?? null, quarantined: given.stub === true ? 'refused' : null },
})

const app = { app: 'a' }
const mesh = (mode: MtlsMode): Given => ({ ns: 'root', mode })

const legacyMesh: Given = { ns: '', legacy: 'mesh' }

const table: [sentence: string, given: Given[], port: number, expected: string][] = [
  ['nothing at all is PERMISSIVE', [], 80, 'PERMISSIVE'],
  ['the mesh policy reaches every namespace', [mesh('STRICT')], 80, 'STRICT'],
  ['a namespace policy overrides the mesh', [mesh('STRICT'), { mode: 'DISABLE' }], 80, 'DISABLE'],
  [
    'a workload policy overrides the namespace',
    [{ mode: 'DISABLE' }, { selector: app, mode: 'STRICT' }],
    80,
    'STRICT',
  ],
  ['UNSET inherits the wider scope', [mesh('STRICT'), { mode: 'UNSET' }, { selector: app }], 80, 'STRICT'],
  ['UNSET everywhere is PERMISSIVE', [mesh('UNSET'), {}, { selector: app }], 80, 'PERMISSIVE'],
  [
    'mesh STRICT, workload UNSET with 9090 DISABLE: other ports',
    [mesh('STRICT'), { selector: app, ports: { 9090: 'DISABLE' } }],
    80,
    'STRICT',
  ],
  [
    'mesh STRICT, workload UNSET with 9090 DISABLE: port 9090',
    [mesh('STRICT'), { selector: app, ports: { 9090: 'DISABLE' } }],
    9090,
    'DISABLE',
  ],
  [
    'a port UNSET takes the mode of the workload',
    [{ mode: 'DISABLE' }, { selector: app, mode: 'STRICT', ports: { 80: 'UNSET' } }],
    80,
    'STRICT',
  ],
  [
    'a port UNSET in an UNSET policy inherits on',
    [{ mode: 'DISABLE' }, { selector: app, ports: { 80: 'UNSET' } }],
    80,
    'DISABLE',
  ],
  [
    'a selector in the root namespace is ignored',
    [{ ns: 'root', selector: app, mode: 'STRICT' }],
    80,
    'PERMISSIVE',
  ],
  ['a selector that does not fit is ignored', [{ selector: { app: 'b' }, mode: 'STRICT' }], 80, 'PERMISSIVE'],
  ['other namespaces are ignored', [{ ns: 'other', mode: 'STRICT' }], 80, 'PERMISSIVE'],
  [
    'the oldest wins',
    [
      { name: 'a', age: 2, mode: 'DISABLE' },
      { name: 'b', age: 1, mode: 'STRICT' },
    ],
    80,
    'STRICT',
  ],
  [
    'the oldest wins even when it says UNSET',
    [mesh('STRICT'), { name: 'a', age: 2, mode: 'DISABLE' }, { name: 'b', age: 1 }],
    80,
    'STRICT',
  ],
  [
    'of one age the first name wins',
    [
      { name: 'b', mode: 'DISABLE' },
      { name: 'a', mode: 'STRICT' },
    ],
    80,
    'STRICT',
  ],
  [
    'the losers contribute no ports',
    [
      { name: 'a', selector: app, mode: 'STRICT' },
      { name: 'b', selector: app, ports: { 80: 'DISABLE' } },
    ],
    80,
    'STRICT',
  ],
  [
    'a stub wins its scope whatever its age',
    [
      { age: 1, mode: 'DISABLE' },
      { name: 'z', age: 9, stub: true },
    ],
    80,
    'STRICT',
  ],
  [
    'a stub for workloads closes their ports too',
    [
      { selector: app, ports: { 80: 'DISABLE' } },
      { name: 'z', selector: app, stub: true },
    ],
    80,
    'STRICT',
  ],
  [
    'a stub does not reach workloads it does not select',
    [{ selector: { app: 'b' }, stub: true }],
    80,
    'PERMISSIVE',
  ],
  ['a narrower scope overrides a stub', [{ ns: 'root', stub: true }, { mode: 'DISABLE' }], 80, 'DISABLE'],
  ['a stub in the mesh closes what inherits', [{ ns: 'root', stub: true }], 80, 'STRICT'],
  [
    'a stub of unreadable selector competes for every workload',
    [
      { selector: app, mode: 'DISABLE' },
      { name: 'z', selector: {}, stub: true },
    ],
    80,
    'STRICT',
  ],
  [
    'a root stub of unreadable selector is mesh-wide',
    [{ ns: 'root', selector: {}, stub: true }],
    80,
    'STRICT',
  ],
  [
    'a root stub with a selector is ignored like its object',
    [{ ns: 'root', selector: app, stub: true }],
    80,
    'PERMISSIVE',
  ],
  ['a legacy mesh policy reaches every namespace', [{ ...legacyMesh, mode: 'STRICT' }], 80, 'STRICT'],
  [
    'a legacy namespace policy overrides the legacy mesh, also towards plaintext',
    [
      { ...legacyMesh, mode: 'STRICT' },
      { legacy: 'namespace', mode: 'DISABLE' },
    ],
    80,
    'DISABLE',
  ],
  [
    'a legacy namespace policy of the root namespace is for that namespace',
    [{ ns: 'root', legacy: 'namespace', mode: 'STRICT' }],
    80,
    'PERMISSIVE',
  ],
  [
    'a legacy service policy overrides the legacy namespace on its ports',
    [
      { legacy: 'namespace', mode: 'STRICT' },
      { legacy: 'service', selector: app, on: [80], mode: 'PERMISSIVE' },
    ],
    80,
    'PERMISSIVE',
  ],
  [
    'and nowhere else',
    [
      { legacy: 'namespace', mode: 'STRICT' },
      { legacy: 'service', selector: app, on: [80], mode: 'PERMISSIVE' },
    ],
    81,
    'STRICT',
  ],
  [
    'a legacy policy of a port goes before one of the whole service, whatever its age',
    [
      { legacy: 'service', age: 1, selector: app, on: [80, 81], mode: 'DISABLE' },
      { legacy: 'port', age: 2, selector: app, on: [80], mode: 'STRICT' },
    ],
    80,
    'STRICT',
  ],
  [
    'of two legacy policies of one service the oldest wins',
    [
      { name: 'a', legacy: 'service', age: 2, selector: app, mode: 'DISABLE' },
      { name: 'b', legacy: 'service', age: 1, selector: app, mode: 'STRICT' },
    ],
    80,
    'STRICT',
  ],
  [
    'a legacy service policy of other workloads is ignored',
    [{ legacy: 'service', selector: { app: 'b' }, mode: 'STRICT' }],
    80,
    'PERMISSIVE',
  ],
  [
    'a legacy stub goes before its equals',
    [
      { name: 'a', legacy: 'namespace', mode: 'DISABLE' },
      { name: 'z', age: 9, legacy: 'namespace', stub: true },
    ],
    80,
    'STRICT',
  ],
  [
    'a legacy stub of targets nobody can tell covers every workload and port of its namespace',
    [
      { legacy: 'port', selector: app, on: [80], mode: 'DISABLE' },
      { name: 'z', legacy: 'port', stub: true },
    ],
    80,
    'STRICT',
  ],
  [
    'any PeerAuthentication that reaches the workload puts the legacy ones out of force',
    [mesh('PERMISSIVE'), { legacy: 'port', selector: app, on: [80], mode: 'STRICT' }],
    80,
    'PERMISSIVE',
  ],
  ['also when it says UNSET', [{ selector: app }, { legacy: 'namespace', mode: 'STRICT' }], 80, 'PERMISSIVE'],
  [
    'one of another workload does not',
    [
      { selector: { app: 'b' }, mode: 'DISABLE' },
      { legacy: 'namespace', mode: 'STRICT' },
    ],
    80,
    'STRICT',
  ],
  [
    'nor one of the root namespace with a selector, which is ignored',
    [
      { ns: 'root', selector: app, mode: 'DISABLE' },
      { legacy: 'namespace', mode: 'STRICT' },
    ],
    80,
    'STRICT',
  ],
]

for (const [sentence, given, port, expected] of table) {
  test(sentence, () => {
    const all = given.map(peer)
    assert.equal(peerMode(all, 'n', app, port, 'root'), expected)
    assert.equal(
      peerMode(all.toReversed(), 'n', app, port, 'root'),
      expected,
      'order of the input must not matter',
    )
  })
}

test('a workload of the root namespace is under the mesh policy', () => {
  assert.equal(peerMode([peer(mesh('STRICT'))], 'root', {}, 80, 'root'), 'STRICT')
})
