/**
 * The time of the present turn: while a turn is on, the clock is read once and stands still, since what happens in one turn
 * happens at once for all who look from outside. Outside of turns it goes on. Monotonic; the hour is `wallClock`.
 */

let on = false
let read = false
let now = 0

/** To be followed by `endTurn`, whatever happens between. Turns do not nest. */
export function beginTurn(): void {
  on = true
  read = false
}

export function endTurn(): void {
  on = false
}

/** Milliseconds since the thread began, with fractions. */
export function turnNow(): number {
  if (!on) return performance.now()
  if (!read) {
    read = true
    now = performance.now()
  }
  return now
}

const origin = performance.timeOrigin

/** Milliseconds since the epoch of a moment that `turnNow` gave. */
export function wallClock(moment: number): number {
  return origin + moment
}
