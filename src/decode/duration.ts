/**
 * Durations as Istio's fields and Go's flags write them (`5s`, `1h30m`, `100ms`, `1.5s`), to milliseconds. Not dates,
 * and never negative.
 */
import { expected } from './decode-problem.ts'
import type { Path } from './decode-problem.ts'

const milliseconds: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

// protobuf's own limit on a Duration is 10,000 years; no timeout of ours needs more than ten.
const longest = 10 * 366 * 24 * 3_600_000

/** Milliseconds, or null when the text is no duration. `0` needs no unit; everything else does. */
export function parseDuration(text: string): number | null {
  if (text === '0') return 0
  if (text.length === 0 || text.length > 40) return null
  const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y
  let total = 0
  while (part.lastIndex < text.length) {
    const match = part.exec(text)
    if (match === null) return null
    total += Number(match[1]) * (milliseconds[match[2] ?? ''] ?? NaN)
  }
  return total <= longest ? total : null
}

/** Decoder form, milliseconds. */
export function duration(input: unknown, at: Path): number {
  const ms = typeof input === 'string' ? parseDuration(input) : null
  if (ms === null) throw expected('a duration such as "5s", "1h30m" or "100ms"', input, at)
  return ms
}
