/** Waits until a process accepts on an address, or says why it never will. */
import { connect } from 'node:net'
import type { Child } from './children.ts'
import type { Target } from './contender.ts'
import { text } from './contender.ts'

const longestMs = 20_000

export async function untilListening(target: Target, child: Child): Promise<void> {
  const deadline = Date.now() + longestMs
  while (Date.now() < deadline) {
    if (child.process.exitCode !== null || child.process.signalCode !== null)
      throw new Error(`${child.name} ended at its start: ${child.said()}`)
    if (await accepts(target)) return
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
  throw new Error(`${child.name} does not listen on ${text(target)}: ${child.said()}`)
}

function accepts({ address, port }: Target): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port })
    const done = (accepted: boolean): void => {
      socket.destroy()
      resolve(accepted)
    }
    socket.once('connect', () => done(true)).once('error', () => done(false))
  })
}
