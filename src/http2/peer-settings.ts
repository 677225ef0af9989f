/**
 * What the peer has said it takes (RFC 9113 §6.5), checked value by value. It keeps numbers; what follows from a change is
 * the session's.
 */
import { defaultWindowBytes, ErrorCode, maxWindowBytes, Setting } from './frame.ts'

/** A client may open this many before the server has said how many it takes (RFC 9113 §6.5.2 recommends no less). */
const streamsBeforeSettings = 100
/** A frame is written as one piece of a TLS record's size, whatever the peer would take. */
const mostFrameBytes = 16_384

export class PeerSettings {
  maxStreams = streamsBeforeSettings
  windowBytes = defaultWindowBytes
  frameBytes = mostFrameBytes
  /** -1: as it was. */
  tableBytes = -1

  /** Takes one setting; an error's code when it may not be so, 0 when all is well. Unknown ones mean nothing. */
  take(id: number, value: number): ErrorCode {
    switch (id) {
      case Setting.HeaderTableSize:
        this.tableBytes = value
        return 0
      case Setting.EnablePush:
        return value > 1 ? ErrorCode.ProtocolError : 0
      case Setting.MaxConcurrentStreams:
        this.maxStreams = value
        return 0
      case Setting.InitialWindowSize:
        if (value > maxWindowBytes) return ErrorCode.FlowControlError
        this.windowBytes = value
        return 0
      case Setting.MaxFrameSize:
        // At least 16 KiB, which is all that is used.
        return value < mostFrameBytes || value > 0xffffff ? ErrorCode.ProtocolError : 0
      default:
        return 0
    }
  }
}
