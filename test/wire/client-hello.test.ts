/** Hellos that real TLS clients send, cut at every byte and broken at every field. */
import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { connect, type ConnectionOptions } from 'node:tls'
import { longestClientHello, peekClientHello } from '../../src/wire/client-hello.ts'

/** The first flight of a client that never gets an answer. */
function capture(options: ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve) => {
    const flight: Buffer[] = []
    const wire = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        flight.push(chunk)
        done()
      },
    })
    const client = connect({ socket: wire, rejectUnauthorized: false, ...options })
    client.on('error', () => client.destroy())
    setImmediate(() => {
      client.destroy()
      resolve(Buffer.concat(flight))
    })
  })
}

const vector = (width: number, body: Buffer): Buffer => {
  const length = Buffer.alloc(width)
  length.writeUIntBE(body.length, 0, width)
  return Buffer.concat([length, body])
}
const extension = (type: number, body: Buffer): Buffer =>
  Buffer.concat([Buffer.from([type >>> 8, type & 255]), vector(2, body)])
const serverName = (...names: [type: number, name: Buffer | string][]): Buffer =>
  extension(
    0,
    vector(
      2,
      Buffer.concat(
        names.map(([type, name]) =>
          Buffer.concat([Buffer.from([type]), vector(2, Buffer.from(name as string))]),
        ),
      ),
    ),
  )
const protocols = (...names: string[]): Buffer =>
  extension(16, vector(2, Buffer.concat(names.map((name) => vector(1, Buffer.from(name, 'latin1'))))))

interface Parts {
  version?: number
  session?: Buffer
  suites?: Buffer
  compression?: Buffer
  extensions?: Buffer | null
  trailing?: Buffer
}

function handshake(parts: Parts): Buffer {
  const body = Buffer.concat([
    Buffer.from([parts.version ?? 3, 3]),
    Buffer.alloc(32, 7),
    vector(1, parts.session ?? Buffer.alloc(32)),
    vector(2, parts.suites ?? Buffer.from([0x13, 1])),
    vector(1, parts.compression ?? Buffer.from([0])),
    parts.extensions === null ? Buffer.alloc(0) : vector(2, parts.extensions ?? Buffer.alloc(0)),
    parts.trailing ?? Buffer.alloc(0),
  ])
  return Buffer.concat([Buffer.from([1]), vector(3, body)])
}

function records(message: Buffer, size = 16384): Buffer {
  const out: Buffer[] = []
  for (let at = 0; at < message.length; at += size)
    out.push(Buffer.from([22, 3, 1]), vector(2, message.subarray(at, at + size)))
  return Buffer.concat(out)
}

const hello = (...extensions: Buffer[]): Buffer =>
  records(handshake({ extensions: Buffer.concat(extensions) }))
const kind = (bytes: Buffer): string => peekClientHello(bytes).kind

const clients: [name: string, options: ConnectionOptions, sni: string | null, alpn: string[]][] = [
  ['a default client', {}, null, []],
  [
    'a mesh client',
    { servername: 'outbound_.80_._.foo.bar.svc.cluster.local', ALPNProtocols: ['istio-http/1.1', 'istio'] },
    'outbound_.80_._.foo.bar.svc.cluster.local',
    ['istio-http/1.1', 'istio'],
  ],
  [
    'a TLS 1.2 client',
    { maxVersion: 'TLSv1.2', servername: 'Example.COM', ALPNProtocols: ['h2'] },
    'example.com',
    ['h2'],
  ],
  ['a TLS 1.3 client', { minVersion: 'TLSv1.3', servername: 'example.com' }, 'example.com', []],
  ['a client without post-quantum share', { ecdhCurve: 'P-256', servername: 'a.b' }, 'a.b', []],
  [
    'a client with two post-quantum shares',
    { ecdhCurve: '*X25519MLKEM768/*MLKEM1024', servername: 'pq.test', ALPNProtocols: ['sallyport/1', 'h2'] },
    'pq.test',
    ['sallyport/1', 'h2'],
  ],
]

for (const [name, options, sni, alpn] of clients) {
  test(`${name} is understood, and every cut of its hello waits`, async () => {
    const bytes = await capture(options)
    assert.deepEqual(peekClientHello(bytes), { kind: 'client-hello', sni, alpn })
    for (let end = 0; end < bytes.length; end++)
      assert.equal(kind(bytes.subarray(0, end)), 'need-more', `cut at ${end}`)
    assert.equal(kind(Buffer.concat([bytes, Buffer.from('anything')])), 'client-hello')
  })
}

test('a hello with post-quantum shares is larger than one segment and still read', async () => {
  const bytes = await capture({ ecdhCurve: '*X25519MLKEM768/*MLKEM1024', servername: 'pq.test' })
  assert.ok(bytes.length > 2500, String(bytes.length))
  assert.equal(kind(bytes), 'client-hello')
})

test('a hello split over records of any size reads the same, cut anywhere', async () => {
  const bytes = await capture({ servername: 'split.test', ALPNProtocols: ['h2'] })
  const message = bytes.subarray(5)
  for (const size of [1, 3, 7, 100, 1000]) {
    const split = records(message, size)
    assert.deepEqual(peekClientHello(split), { kind: 'client-hello', sni: 'split.test', alpn: ['h2'] })
    for (let end = 0; end < split.length; end += size === 1 ? 61 : 13)
      assert.equal(kind(split.subarray(0, end)), 'need-more')
  }
})

test('GREASE values and unknown extensions are passed over', () => {
  const bytes = hello(
    extension(0x0a0a, Buffer.alloc(0)),
    protocols('\x0a\x0a', 'h2'),
    extension(0xfafa, Buffer.from([0])),
    serverName([0, 'x.y']),
  )
  assert.deepEqual(peekClientHello(bytes), { kind: 'client-hello', sni: 'x.y', alpn: ['\x0a\x0a', 'h2'] })
})

test('a hello without extensions, as old clients send it, is a hello', () => {
  const bytes = records(handshake({ extensions: null, session: Buffer.alloc(0) }))
  assert.deepEqual(peekClientHello(bytes), { kind: 'client-hello', sni: null, alpn: [] })
})

test('a server name that is not one plain host name reads as none', () => {
  const sni = (extension: Buffer): string | null | undefined => {
    const peek = peekClientHello(hello(extension))
    return peek.kind === 'client-hello' ? peek.sni : undefined
  }
  assert.equal(sni(serverName([0, 'a'.repeat(255)])), 'a'.repeat(255))
  assert.equal(sni(serverName([0, 'a'.repeat(256)])), null)
  assert.equal(sni(serverName([0, ''])), null)
  assert.equal(sni(serverName([1, 'a'])), null)
  assert.equal(sni(serverName([0, 'a'], [0, 'b'])), null)
  assert.equal(sni(serverName([0, 'a'], [1, 'b'])), null)
  assert.equal(sni(serverName()), null)
  assert.equal(sni(extension(0, Buffer.alloc(0))), null)
  assert.equal(sni(extension(0, Buffer.from([0, 9, 0, 0, 1, 97]))), null)
  for (let c = 0; c < 256; c++) {
    const printable = c > 0x20 && c < 0x7f
    const wanted = printable ? `a${String.fromCharCode(c).toLowerCase()}b` : null
    assert.equal(sni(serverName([0, Buffer.from([97, c, 98])])), wanted, `byte ${c}`)
  }
})

test('broken framing inside a hello is not TLS', () => {
  const broken: [string, Buffer][] = [
    ['empty protocol name', hello(protocols('h2', ''))],
    ['empty protocol list', hello(protocols())],
    ['protocol list shorter than its extension', hello(extension(16, Buffer.from([0, 3, 2, 104, 50, 0])))],
    ['protocol list longer than its extension', hello(extension(16, Buffer.from([0, 9, 2, 104, 50])))],
    ['protocol name longer than its list', hello(extension(16, Buffer.from([0, 3, 9, 104, 50])))],
    ['two server names extensions', hello(serverName([0, 'a']), serverName([0, 'b']))],
    ['two protocol extensions', hello(protocols('a'), protocols('b'))],
    ['half an extension header', hello(Buffer.from([0, 99, 0]))],
    ['extension longer than the list', hello(Buffer.from([0, 99, 0, 4, 1]))],
    ['no cipher suites', records(handshake({ suites: Buffer.alloc(0) }))],
    ['odd cipher suites', records(handshake({ suites: Buffer.alloc(3) }))],
    ['no compression methods', records(handshake({ compression: Buffer.alloc(0) }))],
    ['long session id', records(handshake({ session: Buffer.alloc(33) }))],
    ['other major version', records(handshake({ version: 2 }))],
    ['bytes after the extensions', records(handshake({ trailing: Buffer.alloc(1) }))],
    [
      'too short to be a hello',
      records(Buffer.concat([Buffer.from([1]), vector(3, Buffer.from([3, 3, 1]))])),
    ],
  ]
  for (const [what, bytes] of broken) assert.equal(kind(bytes), 'not-tls', what)
})

test('the first byte that no hello could have settles it', () => {
  const cases = [
    'GET / HTTP/1.1\r\n',
    'PRI * HTTP/2.0\r\n',
    '\x80\x2e\x01\x00\x02',
    '\x16G',
    '\x16\x02',
    '\x16\x03\x01\x00\x00',
    '\x16\x03\x01\xff',
  ]
  cases.push(
    '\x16\x03\x01\x40\x01',
    '\x16\x03\x01\x01\x00\x02',
    '\x16\x03\x01\x01\x00\x01\x01',
    '\x15\x03\x01\x00\x02',
    '\x17\x03\x03\x00\x10',
    '\0',
  )
  for (const text of cases) assert.equal(kind(Buffer.from(text, 'latin1')), 'not-tls', JSON.stringify(text))
  for (let c = 0; c < 256; c++) assert.equal(kind(Buffer.from([c])), c === 22 ? 'need-more' : 'not-tls')
  assert.equal(kind(Buffer.alloc(0)), 'need-more')
})

test('another record type in the middle of a hello is not TLS, after it nobody cares', () => {
  const message = handshake({ extensions: serverName([0, 'a']) })
  const half = records(message.subarray(0, 40))
  assert.equal(kind(half), 'need-more')
  assert.equal(kind(Buffer.concat([half, Buffer.from([23])])), 'not-tls')
  assert.equal(kind(Buffer.concat([half, Buffer.from([22, 2])])), 'not-tls')
  assert.equal(kind(Buffer.concat([records(message), Buffer.from([23, 3, 3, 0, 1])])), 'client-hello')
  assert.equal(kind(Buffer.concat([records(message, 7), Buffer.from([23])])), 'client-hello')
  assert.equal(kind(Buffer.concat([records(message.subarray(0, -1), 7), Buffer.from([23])])), 'not-tls')
})

test('a hello must end within 16 KiB, however it arrives', () => {
  const fitting = hello(extension(21, Buffer.alloc(longestClientHello - 5 - 4 - 75 - 6)))
  const slack = longestClientHello - fitting.length
  const exact = hello(extension(21, Buffer.alloc(longestClientHello - 5 - 4 - 75 - 6 + slack)))
  assert.equal(exact.length, longestClientHello)
  assert.equal(kind(exact), 'client-hello')
  assert.equal(kind(exact.subarray(0, -1)), 'need-more')
  const tooLong = hello(extension(21, Buffer.alloc(longestClientHello)))
  assert.equal(kind(tooLong), 'not-tls')
  assert.equal(kind(tooLong.subarray(0, 9)), 'not-tls')
  const manyRecords = records(exact.subarray(5), 64)
  assert.equal(kind(manyRecords), 'not-tls')
  assert.equal(kind(manyRecords.subarray(0, longestClientHello - 1)), 'need-more')
  assert.equal(kind(manyRecords.subarray(0, longestClientHello)), 'not-tls')
})

test('random damage never throws, and more bytes never change a settled answer', async () => {
  const bytes = await capture({
    servername: 'fuzz.test',
    ALPNProtocols: ['h2', 'http/1.1'],
    ecdhCurve: 'P-256',
  })
  let state = 5
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  for (let n = 0; n < 20000; n++) {
    const damaged = Buffer.from(bytes)
    for (let k = random(4); k >= 0; k--) damaged[random(damaged.length)] = random(256)
    const whole = peekClientHello(damaged)
    const cut = peekClientHello(damaged.subarray(0, random(damaged.length)))
    if (cut.kind !== 'need-more') assert.deepEqual(cut, whole)
  }
})
