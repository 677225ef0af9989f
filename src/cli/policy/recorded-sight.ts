/**
 * What a decision record lets one see of a request: for each test of a rule the whole, something veiled, or nothing. It judges
 * no rule; what was not recorded is never taken for absent.
 */
import { claimAt, claimPath } from '../../authz/claim.ts'
import { redacted } from '../../authz/observed.ts'
import type { Sight } from '../../authz/possible-rules.ts'
import { claimAsked, type RequestQuestions } from '../../authz/request-questions.ts'
import type { RequestToken } from '../../authz/request-token.ts'
import { HeaderTest, RequestField, RequestPrincipalTest, type RequestTest } from '../../authz/request-test.ts'
import { PlainText, RecognizableText, TextWithin, type VeiledText } from '../../authz/veiled-text.ts'
import { isDigest, type DigestReader } from '../../telemetry/value-veil.ts'
import type { RecordedRequest } from './recorded-decision.ts'

/** What the folder that is tried out makes of the request before its rules are asked. */
export interface Standing {
  /** null = there may be one, and nobody knows what it says. */
  readonly token: 'none' | 'recorded' | null
  /** Headers that may have been other than recorded. */
  readonly doubtful: (name: string) => boolean
  readonly query: 'recorded' | 'doubtful'
}

export class RecordedSight {
  readonly #request: RecordedRequest
  readonly #digests: DigestReader | null
  readonly #claims: ReadonlySet<string>
  /** Of the query nothing is told but that there is one. */
  readonly #queryVeiled: boolean

  constructor(request: RecordedRequest, digests: DigestReader | null) {
    this.#request = request
    this.#digests = digests !== null && digests.reads(request.values) ? digests : null
    this.#claims = new Set([...request.asked].map(claimOfKey).filter((key) => key !== null))
    this.#queryVeiled = request.path.includes('?') && request.path.includes(redacted)
  }

  /** `path` is normalized and without query. */
  of(test: RequestTest, path: string, standing: Standing): Sight {
    if (test.field === RequestField.target) return this.#target(path, standing)
    if (test instanceof HeaderTest) return this.#header(test.name, standing)
    if (test.field === RequestField.remoteIp) return this.#read ? 'whole' : 'nothing'
    const claim = claimAsked(test)
    if (claim === null) return 'whole'
    if (standing.token !== 'recorded') return standing.token === null ? 'nothing' : []
    if (!(test instanceof RequestPrincipalTest)) return this.#claim(claim)
    // A peer is as well known as its connection.
    return this.#request.token === 'peer' ? 'whole' : this.#principal()
  }

  /** Whether every question is answered in full, so that the engine itself can be asked. */
  tellsAll(questions: RequestQuestions, standing: Standing): boolean {
    if (questions.query && (this.#queryVeiled || standing.query === 'doubtful')) return false
    if (questions.remoteIp && !this.#read) return false
    for (const name of questions.headers) if (this.#header(name, standing) !== 'whole') return false
    if (standing.token !== 'recorded') return standing.token === 'none' || questions.claims.length === 0
    return questions.claims.every((claim) => {
      const sight = this.#claim(claim)
      return sight !== 'nothing' && sight.every((text) => text instanceof PlainText)
    })
  }

  /** False where the request was refused unread. */
  get #read(): boolean {
    return this.#request.headers !== null
  }

  /** Flat list of the headers that are told. */
  get headers(): string[] {
    return [...(this.#request.headers ?? [])].flatMap(([name, values]) =>
      values.flatMap((value) => [name, value]),
    )
  }

  /** As far as it is told. `peerUri` is who speaks; '' = plaintext. */
  token(peerUri: string): RequestToken | null {
    const { claims, token } = this.#request
    if (claims === null) return null
    if (token === 'peer')
      return { issuer: '', subject: '', principal: peerUri.slice('spiffe://'.length), claims }
    const [issuer, subject] = [textAt(claims, 'iss'), textAt(claims, 'sub')]
    return {
      issuer,
      subject,
      principal: issuer === '' || subject === '' ? '' : `${issuer}/${subject}`,
      claims,
    }
  }

  #target(path: string, { query }: Standing): Sight {
    if (query === 'doubtful') return 'nothing'
    return this.#queryVeiled ? [new TextWithin(`${path}?`)] : 'whole'
  }

  #header(name: string, { doubtful }: Standing): 'nothing' | 'whole' | readonly VeiledText[] {
    const key = `request.headers[${name}]`
    if (!this.#request.asked.has(key) || doubtful(name)) return 'nothing'
    const values = this.#request.headers?.get(name) ?? []
    const texts = values.map((value) => this.#text(key, value))
    return texts.every((text) => text === null || text instanceof PlainText)
      ? 'whole'
      : texts.filter((text) => text !== null)
  }

  #claim(path: readonly string[]): 'nothing' | readonly VeiledText[] {
    const { claims } = this.#request
    // The issuer is always told.
    if (claims === null || !(this.#claims.has(JSON.stringify(path)) || path.join('\0') === 'iss'))
      return 'nothing'
    const value = claimAt(claims, path)
    const values: readonly unknown[] = Array.isArray(value) ? value : [value]
    const about = `request.auth.claims${path.map((name) => `[${name}]`).join('')}`
    return values
      .map((entry) => (typeof entry === 'string' ? this.#text(about, entry) : null))
      .filter((text) => text !== null)
  }

  #principal(): Sight {
    const { claims } = this.#request
    const subject = this.#claim(['sub'])
    if (claims === null || subject === 'nothing') return 'nothing'
    const issuer = textAt(claims, 'iss')
    const [only, ...more] = subject
    // A token without one or the other has no principal.
    if (issuer === '' || only === undefined) return []
    return more.length > 0 ? 'nothing' : { issuer: new PlainText(issuer), subject: only }
  }

  /** null = empty. */
  #text(about: string, value: string): VeiledText | null {
    if (value === '') return null
    const digests = this.#digests
    if (digests !== null && isDigest(value))
      return new RecognizableText((text) => digests.is(about, text, value))
    return this.#request.values === 'shown' && value !== redacted ? new PlainText(value) : new TextWithin('')
  }
}

const textAt = (claims: Readonly<Record<string, unknown>>, name: string): string => {
  const value = Object.hasOwn(claims, name) ? claims[name] : ''
  return typeof value === 'string' ? value : ''
}

/** `request.auth.claims[a][b]` and what else looks at a claim, as a place in the payload. */
function claimOfKey(key: string): string | null {
  const named: Readonly<Record<string, readonly string[]>> = {
    'request.auth.principal': ['sub'],
    'request.auth.audiences': ['aud'],
    'request.auth.presenter': ['azp'],
  }
  if (Object.hasOwn(named, key)) return JSON.stringify(named[key])
  const path = claimPath(key)
  return path === null ? null : JSON.stringify(path)
}
