/** `sallyport policy …`: declares what operators ask about a folder of policy; the programs are in `policy/`. */
import type { Command } from 'commander'
import type { CheckFlags } from './policy/run-check.ts'
import type { DiffFlags } from './policy/run-diff.ts'
import type { EvalFlags } from './policy/run-eval.ts'
import type { ExplainFlags } from './policy/run-explain.ts'
import type { TestFlags } from './policy/run-cases.ts'

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
  policy
    .command('check <dir>')
    .description(
      'names refused objects (exit code 1), what is hardly meant, and what applies to each workload',
    )
    .option('--json', 'print it as one JSON value')
    .action((dir: string, flags: CheckFlags) =>
      ran(import('./policy/run-check.ts').then(({ runCheck }) => runCheck(dir, flags))),
    )
  policy
    .command('test <cases>')
    .description('judges a file of cases, each a request and what of its decision is expected')
    .requiredOption('--config <dir>', 'folder of Istio and Kubernetes YAML')
    .option('--now <time>', 'RFC 3339 time at which tokens are looked at; the present when not given')
    .action((file: string, flags: TestFlags) =>
      ran(import('./policy/run-cases.ts').then(({ runCases }) => runCases(file, flags))),
    )
  policy
    .command('explain')
    .description('says in words which rule and condition decided about one request, JSON on standard input')
    .requiredOption('--config <dir>', 'folder of Istio and Kubernetes YAML')
    .option('--now <time>', 'RFC 3339 time at which tokens are looked at; the present when not given')
    .option('--json', 'print it as one JSON value', false)
    .action((flags: ExplainFlags) =>
      ran(import('./policy/run-explain.ts').then(({ runExplain }) => runExplain(flags))),
    )
  policy
    .command('diff <folders...>')
    .usage('[options] [OLD] NEW')
    .description(
      'judges a decision log again by folder NEW and prints what changes: from folder OLD, or from the verdicts in the log; exit code 1 when something does',
    )
    .requiredOption('--log <file>', 'decision log of a sidecar; - for standard input')
    .option('--key <file>', 'the key the log was written with, where it holds digests')
    .option('--json', 'print it as one JSON value', false)
    .option('--verbose', 'also what is decided alike by another rule', false)
    .option('--strict', 'exit code 1 also when something is undecidable', false)
    .action((folders: string[], flags: DiffFlags) =>
      ran(import('./policy/run-diff.ts').then(({ runDiff }) => runDiff(folders, flags))),
    )
}
