/**
 * Where a room writes what the program does, handed in: the part of telemetry's Logger that everybody may know. It is a
 * shape; nothing is written here.
 */
type Write = (message: string, fields?: Readonly<Record<string, unknown>>) => void

export interface Log {
  readonly info: Write
  readonly warn: Write
  readonly error: Write
}
