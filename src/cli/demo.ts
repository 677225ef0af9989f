/** `sallyport demo`: declares the options; the program is in `demo/`. */
import type { Command } from 'commander'
import type { DemoFlags } from '../demo/run-demo.ts'

export function declareDemo(program: Command, ran: (promise: Promise<number>) => Promise<void>): void {
  program
    .command('demo')
    .description(
      'a whole mesh on loopback: control plane, three services with sidecars, real certificates and policy',
    )
    .option('--check', 'walk the guided tour as a checked script; exit 1 when a check fails')
    .option('--prefix <address>', 'first three numbers of the loopback addresses to use', '127.0.1')
    .option('--keep', 'leave the working folder behind and print where it is')
    .action((flags: DemoFlags) => ran(import('../demo/run-demo.ts').then(({ runDemo }) => runDemo(flags))))
}
