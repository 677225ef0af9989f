/** Sorts a long list a piece at a time, so that other work can come between. Equal values keep their order. */

import type { Steps } from './steps.ts'

const piece = 256

export function* sortInSteps<T>(list: readonly T[], compare: (x: T, y: T) => number): Steps<readonly T[]> {
  let runs: T[][] = []
  for (let start = 0; start < list.length; start += piece) {
    runs.push(list.slice(start, start + piece).sort(compare))
    yield
  }
  while (runs.length > 1) {
    const merged: T[][] = []
    for (let i = 0; i < runs.length; i += 2) {
      merged.push(yield* mergeInSteps(runs[i] ?? [], runs[i + 1] ?? [], compare))
    }
    runs = merged
  }
  return runs[0] ?? []
}

function* mergeInSteps<T>(
  left: readonly T[],
  right: readonly T[],
  compare: (x: T, y: T) => number,
): Steps<T[]> {
  const out: T[] = []
  let [i, j] = [0, 0]
  while (i < left.length || j < right.length) {
    const first =
      j >= right.length || (i < left.length && compare(left[i] as T, right[j] as T) <= 0)
        ? left[i++]
        : right[j++]
    out.push(first as T)
    if (out.length % piece === 0) yield
  }
  return out
}
