/** The load process: runs one window after another as it is asked, and answers each. It ends when its starter does. */
import { httpWindow } from './http-window.ts'
import { tcpWindow } from './tcp-window.ts'
import type { Answer, Task } from './window.ts'

process.on('message', (task: Task) => {
  const window = task.kind === 'http' ? httpWindow(task) : tcpWindow(task)
  window.then(
    (ok) => answer({ ok }),
    (error: Error) => answer({ failed: error.message }),
  )
})
process.on('disconnect', () => process.exit(0))

function answer(answer: Answer): void {
  process.send?.(answer)
}
