/**
 * The one wildcard form policy values have (policy-semantics §1.2): any, exact, prefix or suffix, byte for byte. It
 * folds no case and knows no field: hosts, ports and path templates have matchers of their own.
 */

/** `any` = present and not empty; `text` is the value without its star. */
export interface StringMatcher {
  readonly kind: 'any' | 'exact' | 'prefix' | 'suffix'
  readonly text: string
}

/** Suffix is tried before prefix, so `*a*` is the suffix `a*` with a literal star; a star in the middle is literal too. */
export function compileString(value: string): StringMatcher {
  if (value === '*') return { kind: 'any', text: '' }
  if (value.startsWith('*')) return { kind: 'suffix', text: value.slice(1) }
  if (value.endsWith('*')) return { kind: 'prefix', text: value.slice(0, -1) }
  return { kind: 'exact', text: value }
}

/**
 * True when `text` is what the value says. '' stands for absent and matches nothing; where an empty value counts as
 * present (header presence), the caller asks for the kind `any` itself.
 */
export function matchesString(matcher: StringMatcher, text: string): boolean {
  if (text === '') return false
  switch (matcher.kind) {
    case 'exact':
      return text === matcher.text
    case 'prefix':
      return text.startsWith(matcher.text)
    case 'suffix':
      return text.endsWith(matcher.text)
    case 'any':
      return true
  }
}
