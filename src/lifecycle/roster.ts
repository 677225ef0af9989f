/**
 * Who is here just now, for members that come and go all the time: joining and leaving cost an index, and nothing is left
 * behind. Not for lookups, and not ordered.
 *
 * A Set is no good for this: V8 replaces a set's table after every few changes and leaves the old one pointing at the new.
 * Once one of them has grown old, all that follow, and every member they held, stay until the whole heap is collected
 * (decision 0016).
 */

/** Kept by the roster; a member is in one roster at most. -1: in none. */
export interface Seated {
  seat: number
}

export class Roster<Member extends Seated> {
  readonly #members: Member[] = []

  get size(): number {
    return this.#members.length
  }

  join(member: Member): void {
    if (member.seat >= 0) return
    member.seat = this.#members.length
    this.#members.push(member)
  }

  leave(member: Member): void {
    const { seat } = member
    if (seat < 0 || this.#members[seat] !== member) return
    const last = this.#members.pop() as Member
    if (last !== member) {
      this.#members[seat] = last
      last.seat = seat
    }
    member.seat = -1
  }

  /** Those here now, as a list of the caller's: visiting may make any of them leave. */
  list(): Member[] {
    return this.#members.slice()
  }
}
