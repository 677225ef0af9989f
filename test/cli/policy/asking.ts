/** Questions to a folder of YAML, answered as `policy eval` answers them; what the tests of that command start from. */
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { Evaluator } from '../../../src/cli/policy/evaluator.ts'
import type { Answer } from '../../../src/cli/policy/answer.ts'
import { loadPolicyFolder } from '../../../src/cli/policy/load-policy-folder.ts'
import { readQuestion } from '../../../src/cli/policy/question.ts'

/** When tokens are looked at. */
export const now = Date.parse('2030-01-01T00:00:00Z')

export type Ask = (question: object) => Promise<Answer>

/** The workload is `{app: web}` of namespace `foo` unless the question says otherwise. */
export async function asking(t: TestContext, yaml: string): Promise<Ask> {
  const dir = await mkdtemp(`${tmpdir()}/sallyport-policy-`)
  t.after(() => rm(dir, { recursive: true }))
  await writeFile(`${dir}/policy.yaml`, yaml)
  const { config } = await loadPolicyFolder(dir)
  const evaluator = new Evaluator(config, () => now)
  return async (asked) => {
    const read = readQuestion({ workload: { namespace: 'foo', labels: { app: 'web' } }, ...asked })
    assert.ok(read.ok, 'reason' in read ? read.reason : '')
    return (await evaluator.evaluate(read.question)).answer
  }
}

export const policy = (
  name: string,
  spec: object,
  annotations: Record<string, string> = {},
  namespace = 'foo',
): string =>
  `---\n${JSON.stringify({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name, namespace, annotations },
    spec,
  })}\n`
