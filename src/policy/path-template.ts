/**
 * The grammar of path values: where `{*}` and `{**}` may stand and where braces may not (policy-semantics §1.10). Whether
 * a path fits a template is `match/`'s question.
 */

// Of `{*}`'s own set the star is left out: it is matched by an operator, never written as a literal.
const literal = /^[A-Za-z0-9\-._~%!$&'()+,;:@=]+$/

export const isPathTemplate = (value: string): boolean => value.includes('{*}') || value.includes('{**}')

/** What was expected of an illegal path value, or null for a legal one, template or not. */
export function pathTemplateProblem(value: string): string | null {
  if (!isPathTemplate(value)) {
    return /[{}]/.test(value) ? 'a path without braces other than "{*}" and "{**}"' : null
  }
  // No path begins otherwise, and `{**}` alone would be every path: Envoy refuses the template that Istio lets pass.
  if (!value.startsWith('/')) return 'a path template that begins with "/"'
  let rest = false
  for (const segment of value.slice(1).replace(/\/$/, '').split('/')) {
    if (segment === '{*}' || segment === '{**}') {
      if (rest) return 'a path template with no operator after "{**}"'
      rest = segment === '{**}'
    } else if (/[{}]/.test(segment)) {
      return 'a path template whose "{*}" and "{**}" fill whole segments, without other braces'
    } else if (!literal.test(segment)) {
      return 'a path template whose literal segments are not empty and hold only path characters (no "*")'
    }
  }
  return null
}
