import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { commandsIn } from '../../natsctl/demo/demo.js'
import { until } from '../support/eventually.js'
import { NatsctlProcess, natsctl, newDirectory, root } from './natsctlProcess.js'

// One after the other: each is a system under load.

test.serial('the demo upgrades a system under load twice, and nothing fails, is lost or wrong', async (t) => {
  const TMPDIR = newDirectory(t)
  const { code, stdout, stderr } = await natsctl(t, ['demo', '-o', 'json'], { env: { TMPDIR } })
  t.is(code, 0, stderr)
  const { calls, ...wrong } = JSON.parse(stdout)
  t.true(calls > 500, `${calls} calls`)
  t.deepEqual(wrong, { failed: 0, lost: 0, wrong: 0 })
  t.deepEqual(readdirSync(TMPDIR), [])
})

test.serial('without a terminal the demo tells what changes, line by line', async (t) => {
  const { code, stdout, stderr } = await natsctl(t, ['demo'])
  t.is(code, 0, stderr)
  t.regex(stdout, /^Five nodes of "pages" at version 0, one client under load\.\n {2}p1 {2}Pages\.v1 {2}version 0 /)
  for (const node of ['p1', 'p2', 'p3', 'p4', 'p5']) t.regex(stdout, new RegExp(`  ${node}  Pages\\.v3  version 2  ● current `))
  t.regex(stdout, /calls \d+, failed 0, lost 0, wrong 0\n$/)
})

test.serial('the commands look at an embedded system, and act on it, in front of the demo', async (t) => {
  const commands = [
    ['node', 'hold', 'p1'],
    ['rollout', 'pause', '--reason', 'lunch'],
    ['node', 'ls', '-o', 'json'],
    ['explain', '-o', 'json'],
    ['upgrade', 'ls', '-o', 'json'],
    ['call', 'p1', 'put', '/home', 'so true', '-o', 'json'],
    ['call', 'p1', 'get', '/home', '--query', '--at-version', '0', '-o', 'json'],
    ['table', 'set', 'authorized', 'p1', 'yes', '-o', 'json'],
    ['history', '--verify', '-o', 'json'],
    ['rollout', 'resume', '-o', 'json'],
    ['node', 'release', 'p1', '-o', 'json'],
    ['rollout', 'watch', '--until-done', '-o', 'json'],
    ['rollout', 'undo', '--yes', '-o', 'json'],
    ['rollout', 'status', '--wait', '-o', 'json'],
  ]
  const words = commands.flatMap((command) => ['--', ...command])
  // Where nothing listens: it must not be asked.
  const env = { NATS_URL: 'nats://127.0.0.1:1', THESEUS_REDIS: 'redis://127.0.0.1:1', THESEUS_SYSTEM: 'elsewhere' }
  const { code, stdout, stderr } = await natsctl(t, ['demo', ...words], { env })
  t.is(code, 0, stderr)
  const documents = stdout
    .trim()
    .split('\n')
    .filter((line) => /^[[{"]|^null$/.test(line))
    .map((line) => JSON.parse(line))
  const [nodes, waiting, versions, put, got, , history, ...others] = documents
  const pages = nodes.filter(({ service }: { service: string }) => service === 'pages')
  t.is(pages.length, 5)
  t.true(
    pages.some(({ version }: { version: number }) => version === 1),
    'one node is there',
  )
  t.is(waiting.version, 1)
  t.is(versions[0].title, 'Readers can comment on a page')
  t.deepEqual([put, got], [null, 'so true'])
  t.is(history.versions.length, 1)
  t.true(
    others.some(({ type, state }) => type === 'progress' && state === 'done'),
    'the watch saw the end',
  )
  t.like(others.at(-1), { newest: 2, state: 'done', nodes: 5, there: 5 })
  t.regex(stderr, /\ncalls \d+, failed 0, lost 0, wrong 0\n$/)
})

test.serial('the demo ends as the command in front of it does, and goes no further than one that failed', async (t) => {
  const { code, stdout, stderr } = await natsctl(t, ['demo', '--', 'call', 'p9', 'get', '/', '--', 'node', 'ls'])
  t.is(code, 6)
  t.is(stdout, '')
  t.regex(
    stderr,
    /\nunavailable\.no-responders: system demo has no node and no service "p9" registered; did you mean p1, p2 or p3\?\n/,
  )
  const nested = await natsctl(t, ['demo', 'demo'])
  t.is(nested.code, 2)
  t.is(nested.stderr, 'error: "demo" runs a system of its own; name a command that looks at one\n')
})

test.serial('the inspector shows the embedded system, and Ctrl-C ends both and leaves nothing behind', async (t) => {
  const TMPDIR = newDirectory(t)
  const demo = new NatsctlProcess(t, ['demo', '--', 'inspect', '-o', 'json'], { env: { TMPDIR } })
  const { url } = await demo.document(({ type }) => type === 'inspect', 'the page is served')
  t.is((await fetch(url)).status, 200)
  demo.child.kill('SIGINT')
  t.is((await demo.ended).code, 0)
  t.deepEqual(readdirSync(TMPDIR), [])
  const shown = new NatsctlProcess(t, ['demo'], { env: { TMPDIR } })
  await until(() => shown.stdout.includes('p5'), 'it runs')
  shown.child.kill('SIGINT')
  t.is((await shown.ended).code, 130)
  t.deepEqual(readdirSync(TMPDIR), [])
})

for (const [name, file] of [
  ['natsctl demo', 'natsctl/main.js'],
  ['npm run demo', 'samples/demo/main.js'],
  ['npm run demo -- --servers', 'samples/demo/main.js'],
] as const) {
  test.serial(`Ctrl-C while "${name}" is still starting leaves nothing behind either`, async (t) => {
    const TMPDIR = newDirectory(t)
    const args = [...(name === 'natsctl demo' ? ['demo'] : []), ...(name.endsWith('--servers') ? ['--servers'] : [])]
    const demo = spawn(process.execPath, [join(root, 'dist', file), ...args], {
      env: { ...process.env, TMPDIR },
      stdio: 'ignore',
      detached: true,
    })
    const ended = once(demo, 'exit')
    t.teardown(() => demo.kill('SIGKILL'))
    await until(() => readdirSync(TMPDIR).length > 0, 'it has begun to start')
    demo.kill('SIGINT')
    t.deepEqual(await ended, [130, null])
    t.deepEqual(readdirSync(TMPDIR), [])
    t.throws(() => process.kill(-demo.pid!, 0), { code: 'ESRCH' }, 'a process is left')
  })
}

test.serial('several commands have -- between them', (t) => {
  t.deepEqual(commandsIn([]), [])
  t.deepEqual(commandsIn(['node', 'ls']), [['node', 'ls']])
  t.deepEqual(commandsIn(['node', 'ls', '--', '--', 'explain', 'p1']), [
    ['node', 'ls'],
    ['explain', 'p1'],
  ])
})

test.serial('the web server of the demo is the one of sample 02', (t) => {
  const files = ['pages.v1.ts', 'pages.v2.ts', 'pages.v3.ts', 'upgrades/1-comments.ts', 'upgrades/2-likes.ts']
  for (const file of files) {
    const [ours, theirs] = ['natsctl/demo', 'samples/02-pages-comments'].map((room) =>
      readFileSync(join(root, room, file), 'utf8'),
    )
    t.is(ours, theirs, file)
  }
})
