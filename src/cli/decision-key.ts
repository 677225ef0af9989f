/** The key that makes and reads digests in decision records, from its file. It makes none itself. */
import { BootstrapError } from '../bootstrap/bootstrap-error.ts'
import { readPrivateFile } from '../jwt/private-file.ts'

/** Characters at least: 32 random bytes as Base64 are 44. */
const shortest = 32

/** Text without the line end behind it; a file that others can read is refused. */
export async function readDecisionKey(file: string): Promise<Uint8Array> {
  const text = (await readPrivateFile(file))?.trimEnd()
  if (text === undefined) throw unusable(file, 'is not there')
  // What is no UTF-8 was replaced when it was read: such a key would be weaker than it looks.
  if (text.includes('\ufffd')) throw unusable(file, 'is not text')
  if (text.length < shortest) throw unusable(file, `is shorter than ${shortest} characters`)
  return Buffer.from(text)
}

const unusable = (file: string, why: string): BootstrapError =>
  new BootstrapError(
    'ERR_BOOTSTRAP_FILE',
    `the key ${file} ${why}`,
    `make one with (umask 077; openssl rand -base64 32 > ${file})`,
  )
