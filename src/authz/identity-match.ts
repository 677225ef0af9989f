/**
 * Policy values about identity, each as a question to the peer's URI name (table of policy-semantics §5). '' is the
 * peer without identity and answers no to all of them; namespaces and accounts are read out of the whole URI, as there.
 */
import { compileString, matchesString } from '../match/string-matcher.ts'
import { compileGlob, matchesGlob } from './glob.ts'

export type IdentityMatch = (uri: string) => boolean

const scheme = 'spiffe://'

/** `.*` `/ns/VALUE/` `.*` over the whole URI; a star in the value crosses slashes, so `a*` is loose. */
export function matchNamespace(value: string): IdentityMatch {
  const glob = compileGlob(`*/ns/${value}/*`)
  return (uri) => matchesGlob(glob, uri)
}

/**
 * `spiffe://` `.+` `/ns/NS/` `(.+/)?` `sa/SA` `(/.+)?` over the whole URI, both names taken literally: pairs may stand
 * between and after, as Istio's own expression allows.
 */
export function matchServiceAccount(namespace: string, account: string): IdentityMatch {
  const inNamespace = `/ns/${namespace}/`
  const asAccount = `sa/${account}`
  return (uri) => {
    if (!uri.startsWith(scheme)) return false
    // At least one character of trust domain; the first place leaves the longest rest, so later ones add nothing.
    const at = uri.indexOf(inNamespace, scheme.length + 1)
    if (at < 0) return false
    const rest = at + inNamespace.length
    for (let found = uri.indexOf(asAccount, rest); found >= 0; found = uri.indexOf(asAccount, found + 1)) {
      const end = found + asAccount.length
      const starts = found === rest || (found >= rest + 2 && uri[found - 1] === '/')
      const ends = end === uri.length || (uri[end] === '/' && end + 1 < uri.length)
      if (starts && ends) return true
    }
    return false
  }
}

/** One star at either end of the authority; `*` is any SPIFFE ID. The closing slash belongs to the match. */
export function matchTrustDomain(value: string): IdentityMatch {
  const matcher = compileString(value)
  return (uri) => {
    if (!uri.startsWith(scheme)) return false
    if (matcher.kind === 'any') return true
    const end = uri.indexOf('/', scheme.length)
    return end > scheme.length && matchesString(matcher, uri.slice(scheme.length, end))
  }
}
