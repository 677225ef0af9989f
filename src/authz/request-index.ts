/**
 * Rules by the values their requests must have: each is filed under the places of one of its tests, and a request finds
 * the few that could match by walking its own method, path, headers and claims. What is found is judged by `search.ts`.
 */
import { claimOf, RequestField, textOf } from './request-test.ts'
import type { Aspect, Place } from './place.ts'
import type { RequestContext } from './request-context.ts'
import { isPeers } from './request-principal.ts'
import type { Entry, Search } from './search.ts'
import { TextIndex } from './text-index.ts'

interface HeaderIndex {
  readonly name: string
  readonly values: TextIndex<Entry>
}

interface ClaimIndex {
  readonly key: string
  readonly path: readonly string[]
  readonly values: TextIndex<Entry>
}

// Up to this many filed names are looked for one by one among the headers of a request.
const fewHeaders = 4

export class RequestIndex {
  /** Rules with nothing to file them under. */
  readonly #anywhere: Entry[] = []
  readonly #texts = new Map<Aspect, TextIndex<Entry>>()
  // The same indexes, at hand.
  #path: TextIndex<Entry> | null = null
  #method: TextIndex<Entry> | null = null
  #target: TextIndex<Entry> | null = null
  #authority: TextIndex<Entry> | null = null
  #host: TextIndex<Entry> | null = null
  readonly #headers: HeaderIndex[] = []
  readonly #headerByName = new Map<string, TextIndex<Entry>>()
  /** Whether anything is filed under what a token says. */
  #token = false
  readonly #claims: ClaimIndex[] = []

  /** Rules must come in order. */
  fileAnywhere(entry: Entry): void {
    this.#anywhere.push(entry)
  }

  /** Rules must come in order. */
  file({ aspect, name, path, value }: Place, entry: Entry): void {
    if (aspect === 'header') this.#header(name).file(value, entry)
    else if (aspect === 'claim') this.#claim(name, path).file(value, entry)
    else this.#text(aspect).file(value, entry)
  }

  /** Offers all that is filed where the request fits. */
  search(request: RequestContext, search: Search): void {
    if (this.#path !== null && request.path !== '') this.#path.walk(request.path, search)
    if (this.#method !== null && request.method !== '') this.#method.walk(request.method, search)
    if (this.#host !== null && request.host !== '')
      this.#host.walk(textOf(request, RequestField.host), search)
    if (this.#authority !== null && request.host !== '') this.#authority.walk(request.host, search)
    if (this.#target !== null && request.pathWithQuery !== '')
      this.#target.walk(request.pathWithQuery, search)
    if (this.#headers.length > 0) this.#searchHeaders(request.headers, search)
    if (this.#token && request.token !== null) this.#searchToken(request, search)
    if (this.#anywhere.length > 0) search.offer(this.#anywhere)
  }

  #searchHeaders(headers: readonly string[], search: Search): void {
    if (this.#headers.length <= fewHeaders) {
      for (let n = 0; n < this.#headers.length; n++) {
        const { name, values } = this.#headers[n] as HeaderIndex
        for (let i = 0; i + 1 < headers.length; i += 2) {
          if (headers[i] === name) values.walk(headers[i + 1] as string, search)
        }
      }
      return
    }
    for (let i = 0; i + 1 < headers.length; i += 2) {
      const values = this.#headerByName.get(headers[i] as string)
      if (values !== undefined) values.walk(headers[i + 1] as string, search)
    }
  }

  #searchToken(request: RequestContext, search: Search): void {
    const { token } = request
    if (token === null) return
    if (isPeers(token)) this.#walkText('principal', token.principal, search)
    this.#walkText('issuer', token.issuer, search)
    this.#walkText('subject', token.subject, search)
    for (let i = 0; i < this.#claims.length; i++) {
      const { path, values } = this.#claims[i] as ClaimIndex
      walkStrings(values, claimOf(request, path), search)
    }
  }

  #walkText(aspect: Aspect, text: string, search: Search): void {
    const values = this.#texts.get(aspect)
    if (values !== undefined && text !== '') values.walk(text, search)
  }

  #text(aspect: Aspect): TextIndex<Entry> {
    let index = this.#texts.get(aspect)
    if (index !== undefined) return index
    this.#texts.set(aspect, (index = new TextIndex<Entry>()))
    if (aspect === 'path') this.#path = index
    else if (aspect === 'method') this.#method = index
    else if (aspect === 'host') this.#host = index
    else if (aspect === 'authority') this.#authority = index
    else if (aspect === 'target') this.#target = index
    else this.#token = true
    return index
  }

  #header(name: string): TextIndex<Entry> {
    let values = this.#headerByName.get(name)
    if (values !== undefined) return values
    this.#headerByName.set(name, (values = new TextIndex<Entry>()))
    this.#headers.push({ name, values })
    return values
  }

  #claim(key: string, path: readonly string[]): TextIndex<Entry> {
    const known = this.#claims.find((claim) => claim.key === key)
    if (known !== undefined) return known.values
    const values = new TextIndex<Entry>()
    this.#claims.push({ key, path, values })
    this.#token = true
    return values
  }
}

/** A string claim, or the strings of a list. */
function walkStrings(values: TextIndex<Entry>, claim: unknown, search: Search): void {
  if (typeof claim === 'string') {
    if (claim !== '') values.walk(claim, search)
  } else if (Array.isArray(claim)) {
    for (let i = 0; i < claim.length; i++) {
      const element: unknown = claim[i]
      if (typeof element === 'string' && element !== '') values.walk(element, search)
    }
  }
}
