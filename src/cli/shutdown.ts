/** Waits for the signal that ends a program: the first asks, a second ends at once (architecture §1). */

/** Resolves at the first SIGTERM or SIGINT; from then on a second one ends the process with code 1. */
export function shutdownAsked(also?: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    // Signals alone do not keep a process alive.
    const alive = setInterval(() => undefined, 1 << 30)
    const asked = (): void => {
      clearInterval(alive)
      for (const signal of signals) {
        process.removeListener(signal, asked)
        process.once(signal, () => process.exit(1))
      }
      resolve()
    }
    for (const signal of signals) process.once(signal, asked)
    void also?.then(asked)
  })
}

const signals = ['SIGTERM', 'SIGINT'] as const
