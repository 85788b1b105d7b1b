/**
 * Completions: what can come next, and that real shells take it. zsh and fish are tried where
 * they are installed.
 */
import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { Command } from 'commander'
import { redis } from 'theseus-actors/redis'
import { completionText } from '../../natsctl/completion/completeCommand.js'
import { systemClock } from '../../transports/systemClock.js'
import { statusOf } from '../contracts/databaseContract.js'
import { processMsOf } from '../support/processTime.js'
import { startRedisServer } from '../support/servers.js'
import { natsctl, newDirectory, root } from './natsctlProcess.js'

/** The candidates without descriptions, and the directive after them. */
async function next(
  t: ExecutionContext,
  words: readonly string[],
  env?: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const { code, stdout, stderr } = await natsctl(t, ['__complete', ...words], env === undefined ? {} : { env })
  t.deepEqual([code, stderr], [0, ''])
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t')[0]!)
}

test('commands, flags and their choices are completed, and files are left to the shell', async (t) => {
  t.deepEqual(await next(t, ['roll']), ['rollout', ':'])
  t.deepEqual(await next(t, ['--system', 'x', 'rollout', 'st']), ['status', ':'])
  t.deepEqual(await next(t, ['rollout', 'undo', '--d']), ['--dry-run', ':'])
  t.deepEqual(await next(t, ['rollout', 'rew']), ['rewind', 'rewound', ':'])
  t.deepEqual(await next(t, ['rollout', 'rewind', '--rea']), ['--reason', ':'])
  t.deepEqual(await next(t, ['node', 'ls', '-o', '']), ['table', 'wide', 'json', 'yaml', 'name', ':'])
  t.deepEqual(await next(t, ['node', 'ls', '--phase=st']), ['--phase=stalled', ':'])
  t.deepEqual(await next(t, ['node', 'ls', '--phase', '=', 'st']), ['stalled', ':'])
  t.deepEqual(await next(t, ['upgrade', 'publish', '']), [':files'])
  t.deepEqual(await next(t, ['upgrade', 'publish', 'x', '--key', '']), [':files'])
  t.deepEqual(await next(t, ['completion', 'z']), ['zsh', ':'])
  t.deepEqual(await next(t, ['nowhere', 'to', 'g']), [':'])
})

interface Live {
  readonly env: Readonly<Record<string, string>>
}

async function live(t: ExecutionContext): Promise<Live> {
  const server = await startRedisServer()
  t.teardown(() => server.stop())
  const database = await redis(server.url).open('shop', systemClock)
  t.teardown(() => database.close())
  for (const nodeId of ['p1', 'p2', 'q1']) await database.register(statusOf(nodeId), 600_000)
  await database.register(statusOf('desk-v1', { service: 'client', directoryId: null }), 600_000)
  await database.setInTable('authorized', 'p1', 'yes')
  const config = newDirectory(t)
  mkdirSync(join(config, 'nats/context/theseus'), { recursive: true })
  writeFileSync(join(config, 'nats/context/prod.json'), '{"url":"nats://127.0.0.1:1"}')
  writeFileSync(join(config, 'nats/context/theseus/prod.json'), JSON.stringify({ system: 'shop', redis: server.url }))
  return {
    env: {
      THESEUS_ANSWER_TIMEOUT: '60s',
      THESEUS_REDIS: server.url,
      THESEUS_SYSTEM: 'shop',
      XDG_CONFIG_HOME: config,
      XDG_CACHE_HOME: newDirectory(t),
    },
  }
}

test('names of nodes, services, classes, tables and contexts are those that live now', async (t) => {
  const { env } = await live(t)
  t.deepEqual(await next(t, ['node', 'hold', 'p'], env), ['p1', 'p2', ':'])
  t.deepEqual(await next(t, ['call', ''], env), ['p1', 'p2', 'q1', 'pages', ':'])
  t.deepEqual(await next(t, ['node', 'ls', '--service', ''], env), ['pages', ':'])
  t.deepEqual(await next(t, ['node', 'ls', '--class', ''], env), ['Pages.v1', ':'])
  t.deepEqual(await next(t, ['table', 'get', ''], env), ['authorized', ':'])
  t.deepEqual(await next(t, ['table', 'get', 'authorized', ''], env), ['p1', ':'])
  t.deepEqual(await next(t, ['context', 'select', ''], env), ['prod', ':'])
  const { THESEUS_REDIS, THESEUS_SYSTEM, ...elsewhere } = env
  t.deepEqual(await next(t, ['--context', 'prod', 'node', 'hold', 'q'], elsewhere), ['q1', ':'])
  t.deepEqual(await next(t, ['node', 'hold', ''], elsewhere), [':'])
})

test('a database that never answers is not waited for', async (t) => {
  const silent = createServer((socket) => {
    t.teardown(() => void socket.destroy())
  })
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void silent.close())
  const { port } = silent.address() as { port: number }
  const words = ['--system', 's', '--redis', `redis://127.0.0.1:${port}`, 'node', 'hold', '']
  t.deepEqual(await next(t, words, { THESEUS_ANSWER_TIMEOUT: '500ms' }), [':'])
  const root = new Command().option('--system <name>').option('--redis <url>')
  root.command('node').command('hold').argument('<node>')
  const answered = completionText(root, words)
  const tookMs = await processMsOf(() => answered)
  t.is(await answered, ':\n')
  // The connection itself is given up after a second and a half.
  t.true(tookMs < 1_400, `${tookMs} ms`)
})

/** A folder with a `natsctl`, as it is installed. */
function installed(t: ExecutionContext): string {
  const directory = newDirectory(t)
  const file = join(directory, 'natsctl')
  writeFileSync(file, `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'dist/natsctl/main.js')}' "$@"\n`)
  chmodSync(file, 0o755)
  return directory
}

function isInstalled(shell: string): boolean {
  try {
    execFileSync(shell, ['-c', ':'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function runShell(t: ExecutionContext, shell: string, script: string): Promise<readonly string[]> {
  const { env } = await live(t)
  const directory = installed(t)
  const options = { env: { ...process.env, ...env, PATH: `${directory}:${process.env.PATH}` }, cwd: directory }
  const { stdout } = await promisify(execFile)(shell, ['-c', script], options)
  return stdout.split('\n').slice(0, -1)
}

test('bash completes nodes, values after an equals sign, and files', async (t) => {
  const script = `
source <(natsctl completion bash)
complete -p natsctl
compopt() { :; }
try() { COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _natsctl natsctl "\${COMP_WORDS[COMP_CWORD]}" ''; echo "\${COMPREPLY[*]}"; }
try natsctl node hold p
try natsctl node ls --phase = st
try natsctl upgrade publish nats`
  const lines = await runShell(t, 'bash', script)
  t.deepEqual(lines, ['complete -F _natsctl natsctl', 'p1 p2', 'stalled', 'natsctl'])
})

const inZsh = isInstalled('zsh') ? test : undefined

inZsh?.('zsh completes nodes', async (t) => {
  const script = `
autoload -Uz compinit && compinit -D
source <(natsctl completion zsh)
_describe() { print -l -- "\${(@P)3}" }
words=(natsctl node hold p); CURRENT=4; _natsctl`
  t.deepEqual(await runShell(t, 'zsh', script), ['p1:pages, version 0, current', 'p2:pages, version 0, current'])
})

const inFish = isInstalled('fish') ? test : undefined

inFish?.('fish completes nodes', async (t) => {
  const script = `
natsctl completion fish | source
complete -C 'natsctl node hold p'`
  t.deepEqual(await runShell(t, 'fish', script), ['p1\tpages, version 0, current', 'p2\tpages, version 0, current'])
})
