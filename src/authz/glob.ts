/**
 * A pattern whose every star stands for any run of characters, slashes included, anchored at both ends. It walks the
 * text once per literal piece and builds no regular expression, so names cannot change its meaning or its cost.
 */

/** Literal pieces between the stars; one piece means no star at all. */
export type Glob = readonly string[]

export function compileGlob(pattern: string): Glob {
  return pattern.split('*')
}

/** As the regular expression with `.*` for each star: a star does not cross a line end. */
export function matchesGlob(glob: Glob, text: string): boolean {
  const first = glob[0] as string
  if (glob.length === 1) return text === first
  const last = glob[glob.length - 1] as string
  if (text.includes('\n') || !text.startsWith(first)) return false
  let at = first.length
  // Leftmost is right: a piece found early leaves the most room for those after it.
  for (let i = 1; i < glob.length - 1; i++) {
    const piece = glob[i] as string
    const found = text.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}
