/**
 * One data thread: binds the listeners, owns connections, pools and the compiled world, obeys the control thread's
 * messages. It reads no file and no environment; everything comes by message.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { systemClock } from '../lifecycle/clock.ts'
import { MeshError } from '../error.ts'
import { DataThread } from './data-thread.ts'
import type { FromWorker, ToWorker, WorkerInit } from './worker-protocol.ts'

const port = parentPort as MessagePort
const tell = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer)

try {
  const thread = await DataThread.start(workerData as WorkerInit, systemClock, tell)
  port.on('message', (message: ToWorker) => thread.hear(message))
  tell({ type: 'ready' })
} catch (error) {
  const { code, mend } = error instanceof MeshError ? error : { code: null, mend: null }
  tell({ type: 'failed', code, message: error instanceof Error ? error.message : String(error), mend })
}
