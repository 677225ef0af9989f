/** What each side says first (RFC 9113 §3.4, §6.5): the client's preface, and what the side that speaks takes from its peer. */
import type { ByteWriter } from './byte-writer.ts'
import { Setting } from './frame.ts'
import type { Http2Limits } from './frame.ts'
import { writePreface, writeSettings } from './write-frame.ts'

export type Role = 'client' | 'server'

export function writeOpening(out: ByteWriter, role: Role, limits: Http2Limits): void {
  if (role === 'client') writePreface(out)
  writeSettings(out, [
    ...(role === 'client' ? [Setting.EnablePush, 0] : [Setting.MaxConcurrentStreams, limits.maxStreams]),
    Setting.HeaderTableSize,
    limits.headerTableBytes,
    Setting.InitialWindowSize,
    limits.streamWindowBytes,
    Setting.MaxHeaderListSize,
    limits.maxListBytes,
  ])
}
