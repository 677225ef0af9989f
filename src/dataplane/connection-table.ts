/**
 * Every live connection of a worker. A connection is registered before it is authorized, so that a policy change cannot
 * slip between (architecture §2); it says nothing about what the policy is.
 */
import type { Steps } from '../lifecycle/steps.ts'
import type { Connection } from './connection.ts'

export class ConnectionTable {
  readonly #live = new Set<Connection>()
  #nextId = 1
  readonly #waiting = new Map<Connection['direction'], (() => void)[]>()

  /** An id for the connection about to be made; unique within the worker. */
  nextId(): number {
    return this.#nextId++
  }

  get size(): number {
    return this.#live.size
  }

  register(connection: Connection): void {
    this.#live.add(connection)
    connection.socket.once('close', () => {
      connection.closed = true
      this.#live.delete(connection)
      this.#settle(connection.direction)
    })
  }

  /** A step for each live connection; those that come meanwhile are not visited, those that end neither. */
  *inSteps(visit: (connection: Connection) => void): Steps<void> {
    for (const connection of [...this.#live]) {
      if (connection.closed) continue
      visit(connection)
      yield
    }
  }

  /** Visits the connections of a direction; what is visited may end. */
  each(direction: Connection['direction'], visit: (connection: Connection) => void): void {
    for (const connection of [...this.#live]) if (connection.direction === direction) visit(connection)
  }

  /** Asks every connection of a direction to finish what it is doing and close. */
  drain(direction: Connection['direction']): void {
    for (const connection of [...this.#live]) if (connection.direction === direction) connection.onDrain?.()
  }

  /** Resolves when no connection of a direction is left. */
  empty(direction: Connection['direction']): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.set(direction, [...(this.#waiting.get(direction) ?? []), resolve])
      this.#settle(direction)
    })
  }

  destroy(): void {
    for (const connection of [...this.#live]) connection.cut(true)
  }

  count(direction: Connection['direction']): number {
    let count = 0
    for (const connection of this.#live) if (connection.direction === direction) count += 1
    return count
  }

  #settle(direction: Connection['direction']): void {
    const waiting = this.#waiting.get(direction)
    if (waiting === undefined || this.count(direction) > 0) return
    this.#waiting.delete(direction)
    for (const resolve of waiting) resolve()
  }
}
