/**
 * A program for a namespace: copies every packet that passes its interfaces to a file, headers and all. It reads them from a
 * packet socket, so that no capture program need be installed. Argument: FILE.
 */
import { openSync, writeSync } from 'node:fs'
import koffi from 'koffi'

const AF_PACKET = 17
const SOCK_RAW = 3
/** ETH_P_ALL, 3, in network order. */
const everyProtocol = 0x0300

const library = koffi.load(null)
const socket = library.func('int socket(int domain, int type, int protocol)') as unknown as (
  ...numbers: number[]
) => number
const recv = library.func(
  'intptr_t recv(int fd, _Out_ uint8_t *bytes, size_t length, int flags)',
) as unknown as {
  async(
    fd: number,
    bytes: Buffer,
    length: number,
    flags: number,
    done: (error: Error | null, length: number) => void,
  ): void
}

const fd = socket(AF_PACKET, SOCK_RAW, everyProtocol)
if (fd < 0) throw new Error('there is no packet socket to be had: it needs NET_RAW')
const file = openSync(process.argv[2] ?? '', 'w')
const packet = Buffer.alloc(65_536)

function next(): void {
  recv.async(fd, packet, packet.length, 0, (error, length) => {
    if (error !== null || length < 0) throw error ?? new Error('recv failed')
    writeSync(file, packet, 0, length)
    next()
  })
}
next()
process.stdout.write('listening\n')
