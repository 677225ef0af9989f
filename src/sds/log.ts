/** Where this room writes what the program does: the shape of telemetry's Logger that it needs, handed in. */
type Write = (message: string, fields?: Readonly<Record<string, unknown>>) => void

export interface Log {
  readonly info: Write
  readonly warn: Write
  readonly error: Write
}
