/**
 * CPU per request of the HTTP/1.1 engine alone: client → engine (plain, allow all) → app, each its own process, beside
 * a bare byte relay (the floor the kernel sets) and the same load direct. Run `node bench/micro/http-proxy.ts [--prof]`; prints one line a concurrency,
 * CPU as user+system microseconds per request.
 */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { defaultLimits } from '../../src/http1/message.ts'
import { systemClock } from '../../src/lifecycle/clock.ts'
import type { Exchange, UpstreamTarget } from '../../src/dataplane/http/exchange.ts'
import { viewRequest } from '../../src/dataplane/http/request-view.ts'
import { ServerConnection } from '../../src/dataplane/http/server-connection.ts'
import { defaultHttpDeadlines } from '../../src/dataplane/http/server-options.ts'
import { UpstreamPool } from '../../src/dataplane/outbound/upstream-pool.ts'
import { TimerWheel } from '../../src/dataplane/timer-wheel.ts'

const self = fileURLToPath(import.meta.url)
const [role = 'main', ...rest] = process.argv.slice(2)
const seconds = 2

if (role === 'app') app()
else if (role === 'proxy') proxy(Number(rest[0]))
else if (role === 'relay') relay(Number(rest[0]))
else await main()

/** Answers every request head with 1 KiB; no parser, so that the app is not what is measured. */
function app(): void {
  const answer = Buffer.from(
    'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\ncontent-length: 1024\r\n\r\n' +
      'x'.repeat(1024),
  )
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined)
    socket.on('data', () => socket.write(answer))
  })
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
}

function proxy(upstreamPort: number): void {
  const wheel = new TimerWheel(systemClock)
  const pool = new UpstreamPool({
    limits: defaultLimits,
    wheel,
    idleMs: 60_000,
    maxConnections: 1024,
    maxPending: 1024,
    probeAfterMs: 1000,
  })
  const target: UpstreamTarget = {
    upstreams: pool,
    key: 'app',
    dial: (done) => {
      const socket = connect({ host: '127.0.0.1', port: upstreamPort, noDelay: true, allowHalfOpen: true })
      socket.once('connect', () =>
        done({
          ok: true,
          stream: socket,
          info: { remoteAddress: '', localAddress: '', peer: null },
          multiplexed: false,
        }),
      )
    },
    response: { server: 'istio-envoy', serviceTime: true },
    timeoutMs: 0,
    onDialFailure: null,
  }
  const rewrite = {
    clientCertElement: 'By=spiffe://td/ns/b/sa/b;Hash=0;Subject="";URI=spiffe://td/ns/a/sa/a',
    proto: 'https',
  } as const
  const options = {
    limits: defaultLimits,
    wheel,
    deadlines: defaultHttpDeadlines,
    serverHeader: 'istio-envoy',
    onRequest(exchange: Exchange): void {
      const view = viewRequest(exchange.head, 'BASE', rewrite)
      if (!view.ok) throw new Error(view.reason)
      exchange.requestId = view.requestId
      exchange.forward(target, view.target, view.headers)
    },
    onFinish: () => undefined,
    onClose: () => undefined,
    onFault: (error: unknown) => {
      throw error
    },
  }
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    void new ServerConnection(socket, options, null)
  })
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
  tellCpu()
}

/** The floor: bytes copied between two sockets, nothing read and nothing understood. */
function relay(upstreamPort: number): void {
  const server = createServer({ noDelay: true }, (socket) => {
    const upstream = connect({ host: '127.0.0.1', port: upstreamPort, noDelay: true })
    socket.on('data', (chunk) => upstream.write(chunk)).on('error', () => undefined)
    socket.on('close', () => upstream.destroy())
    upstream.on('data', (chunk) => socket.write(chunk)).on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
  tellCpu()
}

function tellCpu(): void {
  process.on('message', () => process.send?.({ cpu: process.cpuUsage() }))
  process.on('disconnect', () => process.exit(0))
}

/** Closed loop: each connection has one request out. Returns requests a second. */
async function load(port: number, connections: number): Promise<{ requests: number; elapsed: number }> {
  const request =
    'GET /api/v1/items?limit=10 HTTP/1.1\r\nHost: app.default.svc.cluster.local:8080\r\nUser-Agent: bench/1.0\r\n' +
    'Accept: */*\r\nAccept-Encoding: gzip\r\nX-Request-Id: 5f0c6c9e-6c1f-4c55-9d9b-0d6f6f3f2a11\r\nCookie: session=abcdef0123456789\r\n\r\n'
  let requests = 0
  let running = true
  const sockets: Socket[] = []
  for (let i = 0; i < connections; i++) {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    await once(socket, 'connect')
    let left = -1
    socket.on('data', (chunk: Buffer) => {
      if (left === -1) {
        const end = chunk.indexOf('\r\n\r\n')
        left = end + 4 + 1024
      }
      left -= chunk.length
      if (left > 0) return
      left = -1
      requests += 1
      if (running) socket.write(request, 'latin1')
    })
    sockets.push(socket)
  }
  const start = performance.now()
  for (const socket of sockets) socket.write(request, 'latin1')
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  running = false
  const elapsed = (performance.now() - start) / 1000
  for (const socket of sockets) socket.destroy()
  return { requests, elapsed }
}

async function start(
  args: string[],
  execArgv: string[] = [],
): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(self, args, { execArgv: [...process.execArgv, ...execArgv] })
  const [message] = (await once(child, 'message')) as [{ port: number }]
  return { child, port: message.port }
}

async function cpu(child: ChildProcess): Promise<NodeJS.CpuUsage> {
  child.send('cpu')
  const [message] = (await once(child, 'message')) as [{ cpu: NodeJS.CpuUsage }]
  return message.cpu
}

async function main(): Promise<void> {
  const upstream = await start(['app'])
  const prof = role === '--prof' ? ['--cpu-prof', '--cpu-prof-dir=bench/results'] : []
  const engine = await start(['proxy', String(upstream.port)], prof)
  const floor = await start(['relay', String(upstream.port)])
  const measure = async ({ child, port }: { child: ChildProcess; port: number }, connections: number) => {
    const before = await cpu(child)
    const { requests, elapsed } = await load(port, connections)
    const after = await cpu(child)
    const [user, system] = [after.user - before.user, after.system - before.system].map(
      (spent) => spent / requests,
    )
    return { cpu: `${user?.toFixed(1)}+${system?.toFixed(1)}`, rate: Math.round(requests / elapsed) }
  }
  await load(engine.port, 8)
  for (const connections of [1, 8, 32]) {
    const relayed = await measure(floor, connections)
    const through = await measure(engine, connections)
    const direct = await load(upstream.port, connections)
    const line = {
      connections,
      engineUserSystem: through.cpu,
      relayUserSystem: relayed.cpu,
      engineRate: through.rate,
      relayRate: relayed.rate,
      directRate: Math.round(direct.requests / direct.elapsed),
    }
    process.stdout.write(`${JSON.stringify(line)}\n`)
  }
  for (const { child } of [engine, floor]) child.disconnect()
  upstream.child.kill()
}
