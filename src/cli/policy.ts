/** `sallyport policy …`: declares what operators ask about a folder of policy; the programs are in `policy/`. */
import type { Command } from 'commander'
import type { EvalFlags } from './policy/run-eval.ts'

type Ran = (promise: Promise<number>) => Promise<void>

export function declarePolicy(program: Command, ran: Ran): void {
  const policy = program
    .command('policy')
    .description('what a folder of policy means: asked with the engine the proxy runs, without any traffic')
  policy
    .command('eval')
    .description(
      'answers requests, JSON lines on standard input, with decisions, JSON lines on standard output',
    )
    .requiredOption('--config <dir>', 'folder of Istio and Kubernetes YAML')
    .option('--now <time>', 'RFC 3339 time at which tokens are looked at; the present when not given')
    .action((flags: EvalFlags) => ran(import('./policy/run-eval.ts').then(({ runEval }) => runEval(flags))))
}
