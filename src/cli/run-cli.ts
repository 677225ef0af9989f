/**
 * The front door: names every command, loads the one that was asked for, and turns whatever goes wrong into one line and
 * an exit code (0 ok, 1 failed, 2 bad usage). It runs nothing itself.
 */
import { Command, CommanderError } from 'commander'
import { errorLine, MeshError } from '../error.ts'
import { version } from './version.ts'

/** Commands by name; each file is loaded when its command runs, so that no process pays for another's imports. */
export async function runCli(argv: readonly string[]): Promise<number> {
  let code = 0
  const ran = (promise: Promise<number>): Promise<void> => promise.then((result) => void (code = result))
  const program = new Command('sallyport')
    .description(
      'A sidecar proxy that speaks mutual TLS with SPIFFE identities, obeys Istio policy to the letter, and explains it.',
    )
    .version(version, '--version')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`${usageLine(text)}\n`) })

  const { declareDemo } = await import('./demo.ts')
  const { declareSidecar, declareProxy, declareAgent } = await import('./sidecar-options.ts')
  const { declareMesh } = await import('./mesh.ts')
  const { declareIptables } = await import('./iptables.ts')
  const { declarePolicy } = await import('./policy.ts')
  declareDemo(program, ran)
  declareSidecar(program, ran)
  declareProxy(program, ran)
  declareAgent(program, ran)
  declareMesh(program, ran)
  declareIptables(program, ran)
  declarePolicy(program, ran)

  try {
    await program.parseAsync(['node', 'sallyport', ...argv])
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    process.stderr.write(`${errorLine(error)}\n`)
    // What a user can mend by typing something else is bad usage; everything else failed.
    return error instanceof MeshError && error.code.startsWith('ERR_BOOTSTRAP_') ? 2 : 1
  }
}

// The library puts its guess of what was meant on a second line, and our errors have one.
function usageLine(text: string): string {
  const what = text
    .replace(/^error: /, '')
    .trim()
    .replace(/\s*\n\s*/g, ' ')
  return new MeshError('ERR_USAGE', what, 'add --help for the options').line
}
