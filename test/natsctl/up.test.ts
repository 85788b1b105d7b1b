import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { newKey } from 'theseus-actors/nkeys'
import { Failure } from '../../natsctl/output/exitCodes.js'
import { findServer, kinds } from '../../natsctl/up/localServer.js'
import { natsctlIn } from '../../natsctl/up/localSystem.js'
import { until } from '../support/eventually.js'
import { freePort } from '../support/freePort.js'
import { descendants, isRunning, NatsctlProcess, natsctl, newDirectory, type Process, root } from './natsctlProcess.js'

const pages = readFileSync(join(root, 'samples/02-pages-comments/pages.v1.ts'))

/** A directory with a config and the first class of the sample, in TypeScript; nothing is installed in it. */
function newConfig(t: ExecutionContext, config: object = {}): string {
  const directory = newDirectory(t)
  writeFileSync(join(directory, 'pages.ts'), pages)
  const hosts = {
    h1: { module: './pages.ts', nodes: { p1: 'PagesV1', p2: 'PagesV1' } },
    h2: { module: './pages.ts', nodes: { p3: 'PagesV1' } },
  }
  writeFileSync(join(directory, 'theseus.json'), JSON.stringify({ system: 'demo', hosts, ...config }))
  return directory
}

interface Up {
  readonly up: NatsctlProcess
  readonly env: Readonly<Record<string, string>>
  readonly started: readonly Process[]
}

async function startUp(t: ExecutionContext, cwd: string): Promise<Up> {
  const up = new NatsctlProcess(t, ['up', '-o', 'json'], { cwd })
  const { env } = await up.document(({ type }) => type === 'ready', 'the system is up')
  return { up, env, started: descendants(up.child.pid!) }
}

function nobodyIsLeft({ started }: Up): Promise<unknown> {
  return until(() => !started.some(isRunning), 'nothing of the system runs any more')
}

test('a system comes up out of one config, answers, and leaves no process behind after SIGTERM', async (t) => {
  const cwd = newConfig(t)
  const first = await startUp(t, cwd)
  // State, logs, the data of servers: for nobody else on the machine.
  const kept = readdirSync(join(cwd, '.theseus'), { recursive: true, withFileTypes: true })
  t.true(kept.length > 10)
  for (const entry of kept) {
    const path = join(entry.parentPath, entry.name)
    t.is(statSync(path).mode & 0o077, 0, path)
  }
  const types = first.up.documents.map(({ type }) => type)
  t.deepEqual(types, ['nats', 'redis', 'upgradeServer', 'host', 'host', 'ready'])
  // Two servers, each held by a shell that has a reader, and two hosts.
  t.is(
    first.started.filter(({ args }) => args.startsWith('/') && /(nats|redis)-server/.test(args) && !args.startsWith('/bin/sh'))
      .length,
    2,
  )
  t.is(first.started.filter(({ args }) => args.includes('hostProcess.js')).length, 2)
  const put = await natsctl(t, ['call', 'p1', 'put', '/', 'kept'], { env: first.env })
  t.is(put.code, 0, put.stderr)

  first.up.child.kill('SIGTERM')
  const { code, stderr } = await first.up.ended
  t.is(code, 0, stderr)
  t.is(stderr, 'ending the system; the same again kills it\n')
  t.false(first.started.some(isRunning))

  const second = await startUp(t, cwd)
  // The exports of other terminals still hold.
  t.deepEqual(second.env, first.env)
  const got = await natsctl(t, ['call', 'p1', 'get', '/'], { env: second.env })
  t.is(got.stdout, '"kept"\n', got.stderr)
  second.up.child.kill('SIGINT')
  t.is((await second.up.ended).code, 0)
  t.false(second.started.some(isRunning))
})

test('a local system with a list of upgraders takes what they sign and nothing else, and tells whom to believe', async (t) => {
  const { seed, publicKey } = newKey()
  const cwd = newConfig(t, { trust: [publicKey] })
  const up = new NatsctlProcess(t, ['up', '-o', 'json'], { cwd })
  const { env } = await up.document(({ type }) => type === 'ready', 'the system is up')
  t.is(env.THESEUS_TRUST, publicKey)

  const unsigned = await natsctl(t, ['upgrader', 'set', publicKey], { env })
  t.is(unsigned.code, 1)
  t.regex(unsigned.stderr, /^upgrade\.signature: /)
  const signed = await natsctl(t, ['upgrader', 'set', publicKey], { env: { ...env, THESEUS_UPGRADER_SEED: seed } })
  t.is(signed.code, 0, signed.stderr)
  const listed = await natsctl(t, ['upgrade', 'ls', '-o', 'json'], { env })
  t.true(JSON.parse(listed.stdout)[0].verified)
  const done = await natsctl(t, ['rollout', 'status', '--wait', '--timeout', '30s'], { env })
  t.is(done.code, 0, done.stderr)
  up.child.kill('SIGTERM')
  t.false((await up.ended).stderr.includes(seed))
})

test('with --log json every line on stderr is one of JSON: what nodes do, what user code prints, and what natsctl itself reports', async (t) => {
  const cwd = newConfig(t)
  writeFileSync(join(cwd, 'pages.ts'), `${pages}\nconsole.log('loaded')\n`)
  const up = new NatsctlProcess(t, ['up', '-o', 'json', '--log', 'json'], { cwd })
  await up.document(({ type }) => type === 'ready', 'the system is up')
  up.child.kill('SIGTERM')
  const { code, stderr } = await up.ended
  t.is(code, 0, stderr)
  const lines = stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  const served = lines.filter(({ event, phase }) => event === 'phase' && phase === 'current')
  t.deepEqual(served.map(({ host, node, system }) => `${system} ${host} ${node}`).sort(), [
    'demo h1 p1',
    'demo h1 p2',
    'demo h2 p3',
  ])
  for (const line of served) t.like(line, { level: 30, service: 'pages', class: 'Pages.v1', version: 0 })
  t.deepEqual(
    lines.filter(({ msg }) => msg === 'h2 | loaded').map(({ level }) => level),
    [30],
  )
  t.true(lines.some(({ msg }) => msg.startsWith('ending the system')))
})

test('a host has its metrics and health where the config says', async (t) => {
  const port = await freePort()
  const hosts = { h1: { module: './pages.ts', nodes: { p1: 'PagesV1' }, metrics: port } }
  const { up } = await startUp(t, newConfig(t, { hosts }))
  const ready = await fetch(`http://127.0.0.1:${port}/readyz`)
  t.is(ready.status, 200)
  t.like(await ready.json(), { status: 'ready', host: 'h1', nodes: [{ id: 'p1', isServing: true }] })
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  t.true(metrics.includes('theseus_nodes{service="pages",class="Pages.v1",version="0",phase="current",system="demo"} 1\n'))
  up.child.kill('SIGTERM')
  t.is((await up.ended).code, 0)
})

test('what natsctl started does not outlive it, even when it is killed', async (t) => {
  const system = await startUp(t, newConfig(t))
  system.up.child.kill('SIGKILL')
  await system.up.ended
  await t.notThrowsAsync(nobodyIsLeft(system))
})

test('a host and a server that die are reported and started again', async (t) => {
  const { up, env, started } = await startUp(t, newConfig(t))
  for (const name of ['hostProcess.js', 'redis-server']) {
    process.kill(started.find(({ args }) => args.includes(name) && !args.startsWith('/bin/sh'))!.pid, 'SIGKILL')
  }
  await until(
    () => /^host h\d is up again$/m.test(up.stderr) && /^redis-server is up again$/m.test(up.stderr),
    'both are up again',
  )
  t.regex(up.stderr, /^host h\d ended \(SIGKILL\); starting it again in 0\.25 s$/m)
  const { code, stderr } = await natsctl(t, ['call', 'p1', 'put', '/', 'again'], { env })
  t.is(code, 0, stderr)
  up.child.kill('SIGTERM')
  t.is((await up.ended).code, 0)
})

test('a directory has one system at a time', async (t) => {
  const cwd = newConfig(t)
  const { up } = await startUp(t, cwd)
  const second = await natsctl(t, ['up'], { cwd })
  t.is(second.code, 1)
  t.regex(second.stderr, new RegExp(`^error: "natsctl up" runs on .* already, as process ${up.child.pid}\n$`))
  up.child.kill('SIGTERM')
  t.is((await up.ended).code, 0)
})

test('the next command is told as a shell finds natsctl, with npx where npx started it', (t) => {
  t.is(natsctlIn({ npm_lifecycle_event: 'npx' }), 'npx natsctl')
  t.is(natsctlIn({ npm_lifecycle_event: 'start' }), 'natsctl')
  t.is(natsctlIn({}), 'natsctl')
})

test('a class that the module does not have is one line that names the field, and everything is ended again', async (t) => {
  const cwd = newConfig(t, { hosts: { h1: { module: './pages.ts', nodes: { p1: 'PagesV9' } } } })
  const up = new NatsctlProcess(t, ['up'], { cwd })
  const { code, stderr } = await up.ended
  t.is(code, 1)
  t.is(stderr, 'error: hosts.h1.nodes.p1: ./pages.ts exports no class "PagesV9"; it exports PagesV1\n')
})

test('in production mode nothing starts that is for development, and each thing that is to be done is a line', async (t) => {
  const cwd = newConfig(t)
  const own = await natsctl(t, ['up', '--production'], { cwd })
  t.is(own.code, 2)
  t.regex(own.stderr, /^error: with --production "nats" and "redis" are said in the config: servers that "up" starts are for dev/)
  const far = newConfig(t, { nats: 'nats://127.0.0.1:1', redis: 'redis://127.0.0.1:1' })
  const { code, stderr } = await natsctl(t, ['up', '--production'], { cwd: far })
  t.is(code, 1)
  t.regex(stderr, /^config.invalid: production mode refuses to start: - trust: .+ - transport: .+ - udb: /)
})

test('a server that is not installed is one line that says what to install', (t) => {
  const failure = t.throws(() => findServer({ ...kinds.nats, binary: 'no-such-server' }), { instanceOf: Failure })
  const advice = 'install it ("apt-get install no-such-server"), or name a running one as "nats" in the config'
  t.is(failure.message, `error: no-such-server is not installed here: ${advice}`)
  t.is(failure.exitCode, 1)
})

test('a port that is taken is one line that names the field', async (t) => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void other.close())
  const { port } = other.address() as { port: number }
  const { code, stderr } = await natsctl(t, ['up'], { cwd: newConfig(t, { redis: { port } }) })
  t.is(code, 1)
  t.regex(stderr, new RegExp(`^error: redis\\.port ${port} can't be used .*\n$`))
})
