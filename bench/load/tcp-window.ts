/**
 * One window of opaque bytes in one direction, as fast as they are taken: open, warm up, measure, end, and compare what
 * the far end counted with what was sent.
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { readUsage, usedBetween } from './usage-window.ts'
import type { TcpTask, WindowResult } from './window.ts'

const chunk = Buffer.alloc(64 * 1024, 'sallyport ')
const farEndMs = 10_000

export async function tcpWindow(task: TcpTask): Promise<WindowResult> {
  const socket = await open(task)
  let sent = 0
  let going = true
  const pump = (): void => {
    let room = true
    while (going && room) {
      room = socket.write(chunk)
      sent += chunk.length
    }
    if (!going) socket.end()
  }
  const counted = farEndCount(socket, task.warmMs + task.windowMs + farEndMs)
  socket.on('drain', pump)
  pump()

  await pause(task.warmMs)
  const began = performance.now()
  const before = readUsage(task.watched)
  const startedAt = sent - socket.writableLength
  await pause(task.windowMs)
  const bytes = sent - socket.writableLength - startedAt
  const seconds = (performance.now() - began) / 1000
  const usage = usedBetween(before, task.watched)
  going = false
  if (!socket.writableNeedDrain) socket.end()
  const count = await counted
  socket.destroy()
  const faults = count === String(sent) ? [] : [`sent ${sent} bytes, the far end says ${count.slice(0, 60)}`]
  return { seconds, requests: 0, bytes, p50: 0, p99: 0, usage, faults }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function open({ address, port, connect: authority }: TcpTask): Promise<Socket> {
  const socket = connect({ host: address, port, allowHalfOpen: true })
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  if (authority === null) return socket
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n\r\n`)
  const answer = await new Promise<Buffer>((resolve, reject) =>
    socket.once('data', resolve).once('end', () => reject(new Error('CONNECT was not answered'))),
  )
  if (!answer.toString('latin1').startsWith('HTTP/1.1 200')) {
    socket.destroy()
    throw new Error(`CONNECT was answered ${answer.toString('latin1').split('\r\n')[0]}`)
  }
  socket.removeAllListeners('end')
  return socket
}

function farEndCount(socket: Socket, deadlineMs: number): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const late = setTimeout(() => resolve('nothing in time'), deadlineMs)
    const done = (why: string): void => {
      clearTimeout(late)
      resolve(why)
    }
    socket.on('data', (bytes) => (text += bytes.toString('latin1')))
    socket.on('end', () => done(text))
    socket.on('error', (error) => done(error.message))
    socket.on('close', () => done(text === '' ? 'closed early' : text))
  })
}
