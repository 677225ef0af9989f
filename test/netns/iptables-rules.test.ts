/** `sallyport iptables` and the scripts against a real kernel: what is applied, kept, replaced and taken away. */
import { afterEach, beforeEach, test } from 'node:test'
import assert from 'node:assert/strict'
import { Namespace } from './namespace.ts'

const podOptions = ['-b', '*', '-d', '15090,15021,15020', '-i', '*']
const podRules = `*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:ISTIO_INBOUND - [0:0]
:ISTIO_IN_REDIRECT - [0:0]
:ISTIO_OUTPUT - [0:0]
:ISTIO_REDIRECT - [0:0]
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_INBOUND -p tcp -m tcp --dport 15008 -j RETURN
-A ISTIO_INBOUND -p tcp -m tcp --dport 15090 -j RETURN
-A ISTIO_INBOUND -p tcp -m tcp --dport 15021 -j RETURN
-A ISTIO_INBOUND -p tcp -m tcp --dport 15020 -j RETURN
-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT
-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A ISTIO_OUTPUT -s 127.0.0.6/32 -o lo -j RETURN
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
-A ISTIO_OUTPUT -j ISTIO_REDIRECT
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
COMMIT
`
const everyOption = [
  ...[
    '-p',
    '16001',
    '-z',
    '16006',
    '-e',
    '16008',
    '-u',
    '1337,5',
    '-g',
    '6',
    '-b',
    '80,8080',
    '-i',
    '10.0.0.0/8,0.0.0.0/0',
  ],
  ...[
    '-x',
    '10.9.9.9,172.16.3.4/12',
    '-q',
    '9000,9001',
    '-o',
    '25,53',
    '-c',
    'eth5,cali+',
    '-k',
    'k6t0,k6t1',
  ],
]
const emptyTables = (save: string): string =>
  save
    .split('\n')
    .filter((line) => line.startsWith('-') || line.includes('ISTIO'))
    .join('\n')

let namespace: Namespace
beforeEach(() => {
  namespace = new Namespace()
})
afterEach(() => namespace.remove())

function sallyport(code: number, ...args: string[]): { out: string; error: string } {
  const { code: ended, stdout, stderr } = namespace.sallyport('iptables', ...args)
  assert.equal(ended, code, `${args.join(' ')}: ${stderr}`)
  return { out: stdout, error: stderr }
}

test('apply makes the rules, applying again does nothing, clean takes all away, cleaning again does nothing', () => {
  assert.match(sallyport(0, 'apply', ...podOptions).out, /^applied 18 rules in 4 chains \(iptables nft\)\n$/)
  assert.equal(namespace.iptablesSave(), podRules)
  assert.match(sallyport(0, 'apply', ...podOptions).out, /^nothing to do: /)
  assert.equal(namespace.iptablesSave(), podRules)
  assert.match(sallyport(0, 'clean').out, /^deleted 4 chains and 2 rules that led to them/)
  assert.equal(emptyTables(namespace.iptablesSave()), '')
  assert.match(sallyport(0, 'clean').out, /^nothing to do: /)
})

test('what show prints is what apply applies, with every option there is', () => {
  const shown = sallyport(0, 'show', ...everyOption).out
  assert.equal(emptyTables(namespace.iptablesSave()), '', 'show changes nothing')
  assert.equal(namespace.run('iptables-nft-restore', ['--noflush'], { input: shown }).code, 0)
  const byHand = namespace.iptablesSave()
  assert.match(
    sallyport(0, 'apply', ...everyOption).out,
    /^nothing to do: /,
    'it reads back as what is wanted',
  )
  sallyport(0, 'clean', '-c', 'eth5,cali+', '-k', 'k6t0,k6t1')
  assert.equal(emptyTables(namespace.iptablesSave()), '')
  sallyport(0, 'apply', ...everyOption)
  assert.equal(namespace.iptablesSave(), byHand)
})

test('other rules, chains and tables are not touched', () => {
  const foreign = [
    '*filter\n-N FOREIGN\n-A FOREIGN -p tcp --dport 22 -j ACCEPT\n-A INPUT -m comment --comment "an ISTIO_OUTPUT of mine" -j FOREIGN\nCOMMIT\n',
    '*mangle\n-A OUTPUT -p udp -j MARK --set-mark 7\nCOMMIT\n',
    '*nat\n-N ISTIO_PRERT\n-A OUTPUT -d 10.1.1.1/32 -p tcp -j DNAT --to-destination 10.2.2.2\n-A PREROUTING -j ISTIO_PRERT\nCOMMIT\n',
  ].join('')
  assert.equal(namespace.run('iptables-nft-restore', ['--noflush'], { input: foreign }).code, 0)
  const before = namespace.iptablesSave()
  sallyport(0, 'apply', ...podOptions)
  assert.match(namespace.iptablesSave(), /DNAT --to-destination 10\.2\.2\.2\n-A OUTPUT -j ISTIO_OUTPUT\n/)
  sallyport(0, 'apply', ...podOptions)
  sallyport(0, 'clean')
  assert.equal(namespace.iptablesSave(), before)
})

test('rules that differ are refused, and replaced whole with --reconcile', () => {
  assert.match(sallyport(0, 'apply', '-q', '').out, /^applied 12 rules .*; they capture nothing: /)
  sallyport(0, 'apply', '--reconcile', '-b', '80')
  const before = namespace.iptablesSave()
  assert.match(sallyport(1, 'apply', ...podOptions).error, /^error: ERR_INTERCEPTION_RESIDUE .*--reconcile/)
  assert.equal(namespace.iptablesSave(), before)
  assert.match(sallyport(0, 'apply', '--reconcile', ...podOptions).out, /^replaced /)
  assert.equal(namespace.iptablesSave(), podRules)
  assert.match(sallyport(0, 'apply', '--force-apply', ...podOptions).out, /^replaced /)
  assert.equal(namespace.iptablesSave(), podRules)
})

test("what Istio's own tool left half removed, in other tables too, is cleaned", () => {
  const residue = [
    '*mangle\n-N ISTIO_TPROXY\n-N ISTIO_DIVERT\n-A ISTIO_DIVERT -j ACCEPT\n-A PREROUTING -p tcp -j ISTIO_DIVERT\nCOMMIT\n',
    '*nat\n-N ISTIO_OUTPUT\n-N MINE\n-A MINE -j ISTIO_OUTPUT\n-A OUTPUT -p tcp -j ISTIO_OUTPUT\n-A OUTPUT -j ISTIO_OUTPUT\nCOMMIT\n',
  ].join('')
  namespace.run('iptables-nft-restore', ['--noflush'], { input: residue })
  sallyport(0, 'apply', '--reconcile', ...podOptions)
  assert.doesNotMatch(namespace.iptablesSave(), /ISTIO_TPROXY|ISTIO_DIVERT|MINE -j/)
  sallyport(0, 'clean')
  assert.doesNotMatch(namespace.iptablesSave(), /ISTIO/)
})

test('without root nothing is done and the line says so', () => {
  const { code, stderr } = namespace.run(
    process.execPath,
    ['--no-warnings', 'src/main.ts', 'iptables', 'apply', ...podOptions],
    { as: { user: 1000, group: 1000 } },
  )
  assert.equal(code, 1)
  assert.match(stderr, /^error: ERR_INTERCEPTION_NOT_ROOT user 1000 /)
  assert.equal(emptyTables(namespace.iptablesSave()), '')
})

test("options come from Istio's variables too, and a flag wins", () => {
  const env = {
    ISTIO_INBOUND_PORTS: '80',
    ISTIO_SERVICE_CIDR: '10.0.0.0/8',
    PROXY_UID: '7',
    ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: '9',
  }
  const { stdout } = namespace.run(
    process.execPath,
    ['--no-warnings', 'src/main.ts', 'iptables', 'show', '-b', '81'],
    { env },
  )
  for (const part of [
    '--dport 81 -j ISTIO_IN',
    '-d 10.0.0.0/8',
    '--uid-owner 7 -j RETURN',
    '--gid-owner 9 -j RETURN',
  ])
    assert.ok(stdout.includes(part), part)
  assert.ok(!stdout.includes('--dport 80 '))
})

test('the variant that has rules is used, and clean finds both', () => {
  if (namespace.run('iptables-legacy', ['-t', 'nat', '-S']).code !== 0) {
    // A kernel without legacy tables: the variant must be refused, not silently replaced by the other.
    assert.match(
      sallyport(1, 'apply', '--force-iptables-binary', 'legacy', ...podOptions).error,
      /^error: ERR_INTERCEPTION_NO_BINARY /,
    )
    return
  }
  namespace.run('iptables-legacy', ['-t', 'nat', '-A', 'OUTPUT', '-d', '10.1.1.1', '-j', 'ACCEPT'])
  assert.match(sallyport(0, 'apply', ...podOptions).out, /\(iptables legacy\)/)
  assert.match(sallyport(0, 'apply', ...podOptions).out, /^nothing to do: /)
  assert.match(sallyport(0, 'apply', '--reconcile', ...everyOption).out, /^replaced .*legacy/)
  sallyport(0, 'apply', '--force-iptables-binary', 'nft', ...podOptions)
  assert.match(
    sallyport(0, 'clean', '-c', 'eth5,cali+', '-k', 'k6t0,k6t1').out,
    /\(iptables (nft, legacy|legacy, nft)\)/,
  )
  assert.equal(emptyTables(namespace.iptablesSave()), '')
  assert.equal(
    emptyTables(namespace.iptablesSave('iptables-legacy-save')),
    '-A OUTPUT -d 10.1.1.1/32 -j ACCEPT',
  )
})

test('the scripts apply the same rules and take them away, and do not do it twice', () => {
  const script = (name: string, ...args: string[]) => namespace.run('/bin/sh', [`iptables/${name}`, ...args])
  assert.deepEqual(script('redirect.sh', ...podOptions), {
    code: 0,
    stdout: 'applied redirection (iptables-nft)\n',
    stderr: '',
  })
  assert.equal(namespace.iptablesSave(), podRules)
  const again = script('redirect.sh', ...podOptions)
  assert.equal(again.code, 1)
  assert.match(again.stderr, /^error: ERR_INTERCEPTION_RESIDUE /)
  assert.equal(script('undo.sh', '-n').stdout, sallyport(0, 'clean', '--dry-run').out)
  assert.equal(script('undo.sh').stdout, 'deleted redirection (iptables-nft)\n')
  assert.equal(emptyTables(namespace.iptablesSave()), '')
  assert.equal(script('undo.sh').stdout, 'nothing to do: no redirection is in place\n')
  script('redirect.sh', ...everyOption)
  assert.match(sallyport(0, 'apply', ...everyOption).out, /^nothing to do: /)
  assert.equal(script('undo.sh', '-c', 'eth5,cali+', '-k', 'k6t0,k6t1').code, 0)
  assert.equal(emptyTables(namespace.iptablesSave()), '')
})
