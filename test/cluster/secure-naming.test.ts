/** Names compared exactly: dataplane §4, traps 9 and 10. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { nameAllowed } from '../../src/cluster/secure-naming.ts'

const uri = 'spiffe://cluster.local/ns/a/sa/b'

// [expected, URI names, DNS names, allowed]
const cases: [string[], string[], string[], boolean][] = [
  [[uri], [uri], [], true],
  [['spiffe://x/y', uri], [uri], [], true],
  [['a.example'], [uri], ['a.example'], true],
  [[], [uri], ['a.example'], false],
  [[uri], [], [], false],
  [[uri], ['spiffe://cluster.local/ns/a/sa/bb'], [], false],
  [[uri], ['spiffe://cluster.local/ns/a/sa/B'], [], false],
  [[uri], ['spiffe://cluster.local.evil/ns/a/sa/b'], [], false],
  [['a.example'], [], ['A.example'], false],
  [['a.example'], [], ['*.example'], false],
  [['*.example'], [], ['a.example'], false],
  // A URI among the DNS names, or a name among the URIs, is not what was asked for.
  [[uri], [], [uri], false],
  [['a.example'], ['a.example'], [], false],
]

for (const [expected, uris, names, allowed] of cases)
  test(`${JSON.stringify(expected)} ${allowed ? 'allows' : 'refuses'} ${JSON.stringify([...uris, ...names])}`, () => {
    assert.equal(nameAllowed(expected, uris, names), allowed)
  })
