/** Counts lines in access logs: a proxy that logs less than it served has not done the job. */
import { createReadStream } from 'node:fs'

const newline = 10

export async function countLines(path: string): Promise<number> {
  let lines = 0
  for await (const chunk of createReadStream(path)) {
    const bytes = chunk as Buffer
    for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, at + 1)) lines += 1
  }
  return lines
}
