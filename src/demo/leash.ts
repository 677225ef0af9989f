/**
 * Preloaded into every process the demo starts: when the demo is gone, however it went, the process ends too. It adds
 * nothing else to them.
 */
import { isMainThread } from 'node:worker_threads'

/** Milliseconds for an orderly end, before the process is ended anyway. */
const patienceMs = 3000

if (isMainThread && process.channel !== undefined && process.channel !== null) {
  process.once('disconnect', () => {
    setTimeout(() => process.exit(1), patienceMs).unref()
    process.kill(process.pid, 'SIGTERM')
  })
  // Listening must not keep a process alive that has nothing else to do.
  process.channel.unref()
}
