/** Compiling beside other work: the same policy in the end, with pauses on the way. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { authorize, bind } from '../../src/authz/authorize.ts'
import { compile } from '../../src/authz/compile.ts'
import { compileSliced } from '../../src/authz/compile-sliced.ts'
import { sortInSteps } from '../../src/authz/sort-in-steps.ts'
import { any, connection, policy, request, rule } from './judge.ts'

const mesh = { trustDomain: 'cluster.local', trustDomainAliases: [], protocol: 'http' } as const
const policies = Array.from({ length: 300 }, (_, i) =>
  policy(i % 3 === 0 ? 'DENY' : 'ALLOW', [rule({ to: [{ paths: any(`/p${i}`, `/q${i}/*`) }] })], {
    name: `p${i}`,
  }),
)

test('a sliced compile pauses and gives the same policy', async () => {
  let pauses = 0
  const sliced = await compileSliced(policies, mesh, {
    yieldEvery: 0,
    pause: () => {
      pauses += 1
      return Promise.resolve()
    },
  })
  const whole = compile(policies, mesh)
  assert.ok(pauses > policies.length)
  for (let i = 0; i < 320; i++) {
    for (const path of [`/p${i}`, `/q${i}/x`]) {
      const [x, y] = [sliced, whole].map((compiled) =>
        authorize(bind(compiled, connection()), request({ path })),
      )
      assert.deepEqual(x?.detail, y?.detail)
      assert.deepEqual([x?.policy, x?.rule], [y?.policy, y?.rule])
    }
  }
})

test('a short compile does not pause', async () => {
  const pause = (): Promise<void> => assert.fail('paused')
  const compiled = await compileSliced([], mesh, { yieldEvery: 1000, pause })
  assert.equal(authorize(bind(compiled, connection()), request()).reason, 'no_allow_policy')
})

test('sorting in steps is a stable sort', () => {
  const list = Array.from({ length: 5000 }, (_, i) => ({ key: (i * 7919) % 97, i }))
  const steps = sortInSteps(list, (x, y) => x.key - y.key)
  let step = steps.next()
  let count = 0
  for (; step.done !== true; count++) step = steps.next()
  assert.ok(count > 10)
  assert.deepEqual(
    step.value,
    [...list].sort((x, y) => x.key - y.key || x.i - y.i),
  )
})
