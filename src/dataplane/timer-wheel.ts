/**
 * One coarse timer for very many timeouts: a hashed wheel whose entries are moved lazily, so that pushing a deadline out
 * is one integer store. It is not for precise waits: an entry fires up to two ticks late and never early.
 */
import type { Clock, Timer } from '../lifecycle/clock.ts'

export interface Expiring {
  onExpire(): void
}

const unlinked = -1

export class TimerWheel {
  readonly tickMs: number
  /** Ticks since the wheel was made; monotonic, so a changed wall clock expires nothing. */
  tick = 0
  readonly #slots: WheelTimer[]
  readonly #timer: Timer

  constructor(clock: Clock, tickMs = 500, slots = 256) {
    this.tickMs = tickMs
    this.#slots = Array.from({ length: Math.max(slots, 2) }, () => new WheelTimer(this, nobody))
    this.#timer = clock.every(tickMs, () => this.#advance())
  }

  /** Stops the wheel; nothing fires any more. */
  close(): void {
    this.#timer.cancel()
  }

  /** For WheelTimer alone: links an entry where it falls due, or at the horizon, from where it is moved on. */
  link(timer: WheelTimer): void {
    timer.unlink()
    const at = Math.min(timer.due, this.tick + this.#slots.length - 1)
    timer.linkAfter(this.#slots[at % this.#slots.length] as WheelTimer, at)
  }

  #advance(): void {
    this.tick += 1
    const slot = this.#slots[this.tick % this.#slots.length] as WheelTimer
    // Entries are taken one at a time because an expiring one may dispose of its neighbours.
    for (let timer = slot.next; timer !== slot; timer = slot.next) {
      timer.unlink()
      if (timer.due === 0) continue
      if (timer.due > this.tick) {
        this.link(timer)
        continue
      }
      timer.due = 0
      timer.owner.onExpire()
    }
  }
}

export class WheelTimer {
  readonly owner: Expiring
  readonly #wheel: TimerWheel
  /** The tick this falls due at; 0 = not set. */
  due = 0
  #linkedAt = unlinked
  #previous: WheelTimer = this
  next: WheelTimer = this

  constructor(wheel: TimerWheel, owner: Expiring) {
    this.#wheel = wheel
    this.owner = owner
  }

  /** Falls due no earlier than `ms` from now; replaces what was set. 0 = never. */
  set(ms: number): void {
    if (ms <= 0) {
      this.due = 0
      return
    }
    const wheel = this.#wheel
    this.due = wheel.tick + Math.ceil(ms / wheel.tickMs) + 1
    if (this.#linkedAt === unlinked || this.due < this.#linkedAt) wheel.link(this)
  }

  /** Costs nothing: the entry is dropped when the wheel comes by. */
  clear(): void {
    this.due = 0
  }

  /** Lets go of the owner at once. */
  dispose(): void {
    this.due = 0
    this.unlink()
  }

  unlink(): void {
    if (this.#linkedAt === unlinked) return
    this.#previous.next = this.next
    this.next.#previous = this.#previous
    this.#previous = this
    this.next = this
    this.#linkedAt = unlinked
  }

  linkAfter(slot: WheelTimer, at: number): void {
    this.#previous = slot
    this.next = slot.next
    slot.next.#previous = this
    slot.next = this
    this.#linkedAt = at
  }
}

const nobody: Expiring = { onExpire: () => undefined }
