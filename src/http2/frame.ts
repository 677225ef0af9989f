/**
 * The numbers of HTTP/2 framing (RFC 9113 §4, §6, §7) and the limits a session keeps. Names for values on the wire; it
 * reads and writes none of them.
 */

export const FrameType = {
  Data: 0,
  Headers: 1,
  Priority: 2,
  Reset: 3,
  Settings: 4,
  PushPromise: 5,
  Ping: 6,
  GoAway: 7,
  WindowUpdate: 8,
  Continuation: 9,
  /**
   * Ours alone: the client has ended its side of the connection that its request came on, and may be gone or merely done.
   * HTTP/2 has no such word; peers that do not know the type ignore it (RFC 9113 §4.1).
   */
  HalfClose: 0xe5,
} as const

/** Bits of a frame's flags; the first has two readings by frame type. */
export const Flag = { EndStream: 1, Ack: 1, EndHeaders: 4, Padded: 8, Priority: 32 } as const

export const ErrorCode = {
  NoError: 0,
  ProtocolError: 1,
  InternalError: 2,
  FlowControlError: 3,
  SettingsTimeout: 4,
  StreamClosed: 5,
  FrameSizeError: 6,
  RefusedStream: 7,
  Cancel: 8,
  CompressionError: 9,
  ConnectError: 10,
  EnhanceYourCalm: 11,
  InadequateSecurity: 12,
  Http11Required: 13,
} as const
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode]

export const Setting = {
  HeaderTableSize: 1,
  EnablePush: 2,
  MaxConcurrentStreams: 3,
  InitialWindowSize: 4,
  MaxFrameSize: 5,
  MaxHeaderListSize: 6,
} as const

/** What a client says first (RFC 9113 §3.4). */
export const clientPreface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

export const frameHeaderBytes = 9
/** Until a peer's SETTINGS say otherwise. */
export const defaultWindowBytes = 65_535
/** The least a receiver must take, and all that ours takes. */
export const defaultFrameBytes = 16_384
export const maxWindowBytes = 0x7fffffff
export const maxStreamId = 0x7fffffff

/** Why a connection has to end: the code of its GOAWAY and one fixed text for the log. */
export interface Http2Fault {
  readonly code: ErrorCode
  readonly reason: string
}

export interface Http2Limits {
  /** Bytes of a decoded header list, counted as RFC 9113 §6.5.2 does; also of the block as sent. */
  readonly maxListBytes: number
  readonly maxFields: number
  /** Streams the peer may have open at once. */
  readonly maxStreams: number
  /**
   * Bytes a stream's sender may be ahead of its reader: what one stalled reader can make us hold. On a server no less than
   * the 65,535 that a client counts on before it has read this.
   */
  readonly streamWindowBytes: number
  /** The same for all streams of a connection together. */
  readonly connectionWindowBytes: number
  /** Of the dynamic table that the peer's encoder may fill. */
  readonly headerTableBytes: number
}

const maxStreams = 250
const streamWindowBytes = 256 * 1024

/** The connection has window for all of its streams: were it less, a few stalled readers would hold up everybody else. */
export const defaultHttp2Limits: Http2Limits = {
  maxListBytes: 60 * 1024,
  maxFields: 100,
  maxStreams,
  streamWindowBytes,
  connectionWindowBytes: maxStreams * streamWindowBytes,
  headerTableBytes: 16 * 1024,
}
