/**
 * `GET /explain`: why a recorded request or connection was judged as it was, asked of every data thread. What was not
 * recorded is said to be so; nothing is judged again under another policy.
 */
import { json } from '../admin/config-dump.ts'
import type { Page } from '../admin/admin-server.ts'
import type { Explanation } from '../authz/explain.ts'
import type { DecisionSettings } from '../dataplane/dataplane-settings.ts'
import type {
  DecisionName,
  DecisionSummary,
  ExplainedDecision,
} from '../dataplane/decisions/recent-decisions.ts'
import type { WorkerPool } from '../dataplane/worker-pool.ts'
import type { DecisionLine } from '../telemetry/decision-line.ts'
import { explanationJson } from './policy/explanation-json.ts'
import { explanationText } from './policy/explanation-text.ts'

type Asking = Pick<WorkerPool, 'ask'>

export async function explainPage(
  query: URLSearchParams,
  workers: Asking,
  { sampleRate }: DecisionSettings,
): Promise<Page> {
  const name = nameOf(query)
  if (name === null) return json(await recent(workers))
  const answers = (await workers.ask({ explain: name })) as ExplainedDecision[]
  const newest = answers.toSorted((x, y) => (x.decision.time < y.decision.time ? 1 : -1))[0]
  if (newest === undefined) return notRecorded(name, sampleRate)
  const { decision, explanation } = newest
  return query.get('format') === 'text'
    ? plain(inWords(decision, explanation))
    : json({ decision, explanation: explanationJson(explanation) })
}

function nameOf(query: URLSearchParams): DecisionName | null {
  const requestId = query.get('request-id')
  if (requestId !== null) return { requestId }
  const connection = query.get('connection')
  return connection === null ? null : { connection }
}

async function recent(workers: Asking): Promise<unknown> {
  const lists = (await workers.ask('decisions')) as DecisionSummary[][]
  return lists.flat().toSorted((x, y) => (x.time < y.time ? 1 : -1))
}

function notRecorded(name: DecisionName, sampleRate: number): Page {
  const what =
    'requestId' in name
      ? `request ${JSON.stringify(name.requestId)}`
      : `connection ${JSON.stringify(name.connection)}`
  const share = `${Number((sampleRate * 100).toFixed(4))} %`
  const text =
    `no decision is recorded for ${what}: the last refusals and ${share} of what is allowed are remembered\n` +
    'GET /explain lists them\n'
  return plain(text, 404)
}

const plain = (body: string, status = 200): Page => ({
  contentType: 'text/plain; charset=utf-8',
  body,
  status,
})

function inWords(decision: DecisionLine, explanation: Explanation | null): string {
  const { verdict, reason, action, authorizer, method, host, path, source, generation, time } = decision
  const what = method === null ? 'connection' : `${method} ${JSON.stringify(`${host}${path}`)}`
  const who = source.principal === null ? 'plaintext' : `spiffe://${source.principal}`
  const head = `${what} from ${who} (${source.ip}:${source.port}) at ${time}, generation ${generation}\n`
  return (
    head +
    explanationText(
      { allowed: verdict === 'allowed', status: null, reason, path: null, action, custom: authorizer },
      explanation,
    )
  )
}
