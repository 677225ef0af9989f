/**
 * Where a legacy policy is in force, as the annotation by which a control plane tells it: sidecars get no Services to look
 * targets up in. It reads and writes that text only.
 */
import { attempt } from '../decode/decode-problem.ts'
import { list, oneOf, optional, port, record, required, string, strings } from '../decode/decode.ts'
import type { Decoder } from '../decode/decode.ts'
import type { LegacyAttachment } from '../policy/legacy-attachment.ts'
import { legacyRanks } from '../policy/legacy-scope.ts'

export const attachedAnnotation = 'sallyport.dev/attached'

export const attachedText = (attachments: readonly LegacyAttachment[]): string => JSON.stringify(attachments)

const attachment: Decoder<LegacyAttachment> = (input, at) => {
  const fields = record(input, at, ['rank', 'selector', 'ports', 'quarantined'])
  return {
    rank: required(fields, 'rank', at, oneOf(legacyRanks)),
    selector: optional(fields, 'selector', at, strings),
    ports: optional(fields, 'ports', at, list(port)),
    quarantined: optional(fields, 'quarantined', at, string),
  }
}

/** null when the text is none of ours. */
export function readAttached(text: string): readonly LegacyAttachment[] | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  const read = attempt(() => list(attachment)(value, ''))
  return read.ok ? read.value : null
}
