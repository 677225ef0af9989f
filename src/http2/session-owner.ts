/** Whoever has a session: what it must hear beyond what its streams hear. Calls come from inside `execute()`. */
import type { Http2Stream } from './stream.ts'

export interface SessionOwner {
  /** The client opened a stream: give it its `events` now. */
  onStream(stream: Http2Stream): void
  /** The server takes no further streams; those it will not serve were reset before. */
  onGoAway(code: number): void
  /** Streams may be opened that could not before. */
  onRoom(): void
  onPong(): void
}
