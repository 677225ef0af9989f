/** The `date` header's text, made at most once a second. It is not a clock for anything else. */

import { turnNow, wallClock } from '../../lifecycle/turn.ts'

let second = -1
let text = ''

export function httpDate(): string {
  const now = Math.floor(wallClock(turnNow()) / 1000)
  if (now !== second) {
    second = now
    text = new Date(now * 1000).toUTCString()
  }
  return text
}
