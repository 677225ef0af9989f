/** Which policies select a workload: policy-semantics §4.1 and trap 5. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { applicablePolicies } from '../../src/authz/applicable.ts'
import type { Workload } from '../../src/policy/workload.ts'
import { policy } from './judge.ts'

const workload: Workload = {
  name: 'w',
  namespace: 'foo',
  serviceAccount: 'w',
  labels: { app: 'w', tier: 'x' },
  addresses: ['10.1.0.1'],
}

const cases = [
  ['own namespace, no selector', { namespace: 'foo' }, true],
  ['root namespace, no selector', { namespace: 'istio-system' }, true],
  ['another namespace', { namespace: 'other' }, false],
  ['selector without labels', { namespace: 'foo', selector: {} }, true],
  ['a subset of the labels', { namespace: 'foo', selector: { app: 'w' } }, true],
  ['labels with another value', { namespace: 'foo', selector: { app: 'W' } }, false],
  ['a label the workload lacks', { namespace: 'foo', selector: { app: 'w', no: 'x' } }, false],
  [
    'root namespace with a selector reaches every namespace',
    { namespace: 'istio-system', selector: { app: 'w' } },
    true,
  ],
  [
    'root namespace with a selector that does not fit',
    { namespace: 'istio-system', selector: { app: 'v' } },
    false,
  ],
  ['attached to a gateway', { namespace: 'foo', targetsGateway: true }, false],
] as const

for (const [name, fields, applies] of cases)
  test(`${name}: ${applies ? 'applies' : 'does not apply'}`, () => {
    const found = applicablePolicies([policy('ALLOW', [], fields)], workload, 'istio-system')
    assert.equal(found.length, applies ? 1 : 0)
  })
