import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import type { RunningHost } from 'theseus-actors'
import { until } from '../support/eventually.js'
import { NatsctlProcess, natsctl, newDirectory, newProject, type ProcessResult, root } from './natsctlProcess.js'
import { type SystemOfTest, startPages, systemsOf } from './natsctlSystem.js'

const test = anyTest as TestFn<SystemOfTest>
const upgrade = join(root, 'samples/02-pages-comments/upgrades/1-comments.ts')
const nextSystem = systemsOf('s')

test.beforeEach((t) => {
  t.context = nextSystem()
})

async function startSystem(t: ExecutionContext<SystemOfTest>, nodes: readonly string[]): Promise<RunningHost> {
  return (await startPages(t, t.context, nodes)).host
}

test('an upgrade is built, published and watched, and both versions are called while it is under way', async (t) => {
  const { env } = t.context
  const run = (...args: readonly string[]): Promise<ProcessResult> => natsctl(t, args, { env })
  const json = async (...args: readonly string[]): Promise<any> => {
    const ended = await run(...args, '-o', 'json')
    t.is(ended.code, 0, ended.stderr)
    return JSON.parse(ended.stdout)
  }
  await startSystem(t, ['p1', 'p2', 'p3'])
  const file = join(newDirectory(t), '1.upgrade')

  const built = await json('upgrade', 'build', upgrade, '-O', file)
  t.is(built.title, 'Readers can comment on a page')
  t.regex(built.digest, /^[0-9a-f]{64}$/)
  t.like(built.classUpgrades[0], {
    service: 'pages',
    oldClass: 'Pages.v1',
    newClass: 'Pages.v2',
    futureSO: 'so',
    pastSO: 'notNeeded',
  })

  t.deepEqual(await json('upgrade', 'ls'), [])
  t.like((await json('node', 'ls'))[1], {
    node: 'p2',
    service: 'pages',
    class: 'Pages.v1',
    version: 0,
    phase: 'current',
    alive: true,
  })
  t.is(await json('call', 'p1', 'put', '/home', '<h1>12</h1>'), null)

  const published = await run('upgrade', 'publish', file, '--reason', 'readers asked for it')
  t.is(published.code, 0, published.stderr)
  const { THESEUS_SYSTEM: system } = env
  t.is(published.stdout, `version 1 of system ${system}: Readers can comment on a page\n  pages: Pages.v1 → Pages.v2, 3 nodes\n`)

  const watched = new NatsctlProcess(t, ['rollout', 'watch', '--until-done'], { env })
  // Wherever the node is in its upgrade, the newest version is answered, and so is the old one.
  t.is(await json('call', 'p1', 'comment', '/home', 'so true'), 1)
  t.is(await json('call', 'p1', 'get', '/home', '--at-version', '0', '--query'), '<h1>12</h1>')
  const { code, stdout } = await watched.ended
  t.is(code, 0)
  t.regex(stdout, /\nversion 1: 3 of 3 nodes there, done\n$/)
  t.regex(stdout, /^p2 pages Pages\.v2 version 1 current$/m)

  t.deepEqual(await json('call', 'p1', 'comments', '/home', '--at-version', '1'), ['so true'])
  t.is(await json('call', 'p1', 'get', '/home', '--at-version', '0'), '<h1>12</h1>')
  const onService = await run('call', 'pages', 'comments', '/nothing')
  t.is(onService.stdout, '[]\n', onService.stderr)

  t.like(await json('rollout', 'status', '--timeout', '30s'), { newest: 1, goal: 1, state: 'done', nodes: 3, there: 3 })
  const [version] = await json('upgrade', 'ls')
  t.like(version, { version: 1, reason: 'readers asked for it', digest: built.digest, previous: null })
  const table = await run('node', 'ls', '--service', 'pages')
  t.regex(table.stdout, /^NODE +SERVICE .*\np1 +pages +Pages\.v2 +1 +current +- +(\d+[hms])+ +yes +h1\n/)
  t.false(table.stdout.includes('\u001b'))
})

test('a rollout is undone by one command, which says first what it would do', async (t) => {
  const { env } = t.context
  const run = (...args: readonly string[]): Promise<ProcessResult> => natsctl(t, args, { env })
  const { THESEUS_SYSTEM: system } = env
  await startSystem(t, ['p1', 'p2'])
  const file = join(newDirectory(t), '1.upgrade')
  const nothing = await run('rollout', 'undo', '--yes')
  t.deepEqual([nothing.code, nothing.stderr], [1, `error: system ${system} runs version 0: there is nothing to undo\n`])
  await run('upgrade', 'build', upgrade, '-O', file)
  await run('upgrade', 'publish', file)
  t.is((await run('rollout', 'status', '--timeout', '30s')).code, 0)
  t.is((await run('call', 'p1', 'comment', '/home', 'so true', '--at-version', '1')).code, 0)

  const dry = await run('rollout', 'undo', '--dry-run')
  t.is(
    dry.stdout,
    'would undo version 1, Readers can comment on a page\n  pages: Pages.v2 → Pages.v1\n  2 nodes to go back, 0 to stay as they are\n',
  )
  const asked = await run('rollout', 'undo')
  t.is(asked.code, 2)
  t.regex(asked.stderr, /give --yes/)
  t.is((await run('rollout', 'status', '--for', '1')).code, 0)
  const undone = await run('rollout', 'undo', '--yes', '--reason', 'too many comments')
  t.is(undone.code, 0, undone.stderr)
  t.regex(undone.stdout, new RegExp(`^version 2 of system ${system}: undo of version 1, Readers can comment on a page\n`))
  t.is((await run('rollout', 'status', '--timeout', '30s')).code, 0)
  const waitedFor = await run('rollout', 'status', '--for', '1', '--wait', '-o', 'json')
  t.is(waitedFor.code, 3)
  t.like(JSON.parse(waitedFor.stdout), { goal: 1, state: 'undone', undoneBy: 2 })
  const listed = await run('node', 'ls', '-o', 'json')
  t.deepEqual(
    (JSON.parse(listed.stdout) as { class: string }[]).map((row) => row.class),
    ['Pages.v1', 'Pages.v1'],
  )
  t.regex((await run('version', 'finalize', '--dry-run')).stdout, /^would make version 2 of system s\d+ final: /)
  const final = await run('version', 'finalize', '--yes')
  t.is(final.stdout, `version 2 of system ${system} is final\n`)
  t.regex((await run('rollout', 'undo', '2', '--yes')).stderr, /version 2 is final/)
})

test('a build can be held against the running system, and nodes are found by class, version and phase', async (t) => {
  const { env } = t.context
  const run = (...args: readonly string[]): Promise<ProcessResult> => natsctl(t, args, { env })
  await startSystem(t, ['p1', 'p2'])
  const file = join(newDirectory(t), '1.upgrade')
  t.is((await run('upgrade', 'build', upgrade, '-O', file, '--check')).code, 0)
  await run('upgrade', 'publish', file)
  t.is((await run('rollout', 'status', '--timeout', '30s')).code, 0)
  const again = await run('upgrade', 'build', upgrade, '-O', file, '--check')
  t.deepEqual([again.code, again.stderr], [1, 'upgrade.invalid: this upgrade is version 1 already\n'])
  const found = async (...args: readonly string[]) =>
    (JSON.parse((await run('node', 'ls', '-o', 'json', ...args)).stdout) as { node: string }[]).map(({ node }) => node)
  t.deepEqual(await found('--class', 'Pages.v2', '--at-version', '1', '--phase', 'current'), ['p1', 'p2'])
  t.deepEqual(await found('--class', 'Pages.v1'), [])
  t.regex((await run('node', 'ls', '--phase', 'stalled')).stderr, /none of 2 nodes is like that/)
  t.is((await run('node', 'ls', '--phase', 'sleeping')).code, 2)
})

test('an undo is undone, and what only the newer version knows is there again', async (t) => {
  const { env } = t.context
  const run = (...args: readonly string[]): Promise<ProcessResult> => natsctl(t, args, { env })
  await startSystem(t, ['p1'])
  const file = join(newDirectory(t), '1.upgrade')
  await run('upgrade', 'build', upgrade, '-O', file)
  await run('upgrade', 'publish', file)
  t.is((await run('rollout', 'status', '--timeout', '30s')).code, 0)
  t.is((await run('call', 'p1', 'comment', '/home', 'so true', '--at-version', '1')).code, 0)
  t.is((await run('rollout', 'undo', '--yes')).code, 0)
  t.is((await run('rollout', 'status', '--timeout', '30s')).code, 0)
  // The same once more does nothing: its first answer may have been lost.
  for (const again of [[], ['1']]) {
    const { code, stdout, stderr } = await run('rollout', 'undo', ...again, '--yes')
    t.deepEqual([code, stdout], [0, `version 1 of system ${env.THESEUS_SYSTEM} is undone already, by version 2\n`])
    t.regex(stderr, /"natsctl rollout undo 2" would bring it again\n$/)
  }
  t.like(JSON.parse((await run('rollout', 'undo', '1', '--dry-run', '-o', 'json')).stdout), { version: 2, undoes: 1, back: [] })
  const none = await run('rollout', 'undo', '7', '--yes')
  t.deepEqual([none.code, none.stdout], [1, ''])
  t.regex(none.stderr, /^error: version 7 is not installed: the newest of system .* is 2\n$/)
  t.is(JSON.parse((await run('history', '-o', 'json')).stdout).length, 2)
  // The undo of the undo is the upgrade again: the comment is still there.
  t.is((await run('rollout', 'undo', '2', '--yes')).code, 0)
  t.is((await run('rollout', 'status', '--timeout', '30s')).code, 0)
  t.deepEqual(JSON.parse((await run('call', 'p1', 'comments', '/home')).stdout), ['so true'])
})

test('an upgrade is undone after a raised level, and not after one that rests on it', async (t) => {
  const { env } = t.context
  const run = (...args: readonly string[]): Promise<ProcessResult> => natsctl(t, args, { env })
  const { THESEUS_SYSTEM: system } = env
  await startSystem(t, ['p1'])
  const directory = newDirectory(t)
  const publish = async (name: string) => {
    const file = join(directory, `${name}.upgrade`)
    await run('upgrade', 'build', join(root, `samples/02-pages-comments/upgrades/${name}.ts`), '-O', file)
    t.is((await run('upgrade', 'publish', file)).code, 0)
    t.is((await run('rollout', 'status', '--timeout', '30s')).code, 0)
  }
  await publish('1-comments')
  t.is((await run('system', 'level', '--raise', '--yes')).code, 0)
  for (const how of ['--yes', '--dry-run']) {
    const newest = await run('rollout', 'undo', how)
    t.deepEqual([newest.code, newest.stdout], [1, ''])
    t.is(
      newest.stderr,
      `error: version 2 of system ${system} can't be undone: it has raised the level, which is never lowered; an upgrade before it can: say which version\n`,
    )
  }
  const undone = await run('rollout', 'undo', '1', '--yes')
  t.deepEqual(
    [undone.code, undone.stdout.split('\n')[0]],
    [0, `version 3 of system ${system}: undo of version 1, Readers can comment on a page`],
  )
  t.is((await run('rollout', 'status', '--timeout', '30s')).code, 0)
  t.deepEqual(
    JSON.parse((await run('node', 'ls', '-o', 'json')).stdout).map((row: { class: string }) => row.class),
    ['Pages.v1'],
  )
  await publish('1-comments')
  await publish('2-likes')
  const refused = await run('rollout', 'undo', '4', '--yes')
  t.deepEqual([refused.code, refused.stdout], [1, ''])
  const why = 'version 5 upgrades service pages too: undo version 5 first'
  t.is(refused.stderr, `error: version 4 of system ${system} can't be undone: ${why}\n`)
  const rewound = await run('rollout', 'rewind', '4', '--dry-run')
  t.is(rewound.code, 1)
  t.regex(rewound.stderr, /version 4 of system .* can't be rewound: version 5 came after it/)
})

test('an undo of an older upgrade that the level does not allow is refused before it asks, and an undone one says by which version it comes again', async (t) => {
  const { env } = t.context
  const run = (...args: readonly string[]): Promise<ProcessResult> => natsctl(t, args, { env })
  await startSystem(t, ['p1'])
  const file = join(newDirectory(t), 'an.upgrade')
  await run('upgrade', 'build', upgrade, '-O', file)
  for (const command of [
    ['upgrade', 'publish', file],
    ['rollout', 'undo', '1', '--yes'],
    ['rollout', 'undo', '2', '--yes'],
  ])
    t.is((await run(...command)).code, 0)
  t.is((await run('rollout', 'undo', '3', '--yes')).code, 0)
  const again = await run('rollout', 'undo', '1')
  t.regex(again.stdout, /version 1 of system .* is undone already, by version 2/)
  t.is(again.stderr, '"natsctl rollout undo 4" would bring it again\n')
  const brought = await run('rollout', 'undo', '2', '--dry-run')
  t.is(brought.code, 1)
  t.regex(brought.stderr, /version 2 of system .* can't be undone: version 4 has brought it again: undo that one/)
  t.is((await run('rollout', 'undo', '4', '--yes')).code, 0)
  await run('upgrade', 'build', join(root, 'samples/06-sensor-field/upgrades/1-kelvin.ts'), '-O', file)
  t.is((await run('upgrade', 'publish', file)).code, 0)
  const below = await run('rollout', 'undo', '5', '--dry-run')
  t.deepEqual([below.code, below.stdout], [1, ''])
  t.regex(
    below.stderr,
    /version 7 needs manifest format 3, and the system's level is 1: raise it with "natsctl system level --raise"/,
  )
})

test('a rollout is paused, a node of it told to go, and resumed; a node is held and released', async (t) => {
  const { env } = t.context
  const run = (...args: readonly string[]): Promise<ProcessResult> => natsctl(t, args, { env })
  const { THESEUS_SYSTEM: system } = env
  const host = await startSystem(t, ['p1', 'p2', 'p3'])
  t.is((await run('rollout', 'pause')).stderr, `error: system ${system} runs version 0: there is no rollout\n`)
  const early = await run('rollout', 'pause', '1', '--reason', 'lunch')
  t.deepEqual([early.stdout, early.code], ['version 1 is paused\n', 0])
  t.regex(early.stderr, /version 1 is not installed yet/)
  const file = join(newDirectory(t), '1.upgrade')
  await run('upgrade', 'build', upgrade, '-O', file)
  await run('upgrade', 'publish', file)
  const reasons = async () =>
    (JSON.parse((await run('node', 'ls', '-o', 'json')).stdout) as { reason: string | null }[]).map((row) => row.reason)
  await until(async () => (await reasons()).every((reason) => reason?.includes('pause of version 1: lunch')), 'all wait')
  for (const args of [[], ['--timeout', '30s'], ['--for', '1']]) {
    const paused = await run('rollout', 'status', ...args)
    t.is(paused.code, 4, paused.stderr)
    t.regex(paused.stdout, /0 of 3 nodes there, paused\nversion 1 is paused for (\d+m)?\d+s: lunch\n/)
  }
  t.like(JSON.parse((await run('rollout', 'status', '-o', 'json')).stdout), {
    ...{ state: 'paused', undoneBy: null },
    paused: [{ version: 1, reason: 'lunch' }],
  })
  t.is((await run('node', 'upgrade', 'p1')).stdout, 'node p1 goes to version 1 now\n')
  await until(async () => (await host.operator.database.nodes('pages'))[0]!.version === 1, 'p1 goes')
  t.is((await run('node', 'hold', 'p2', '--reason', 'busy')).stdout, 'node p2 is held\n')
  const mistyped = await run('node', 'hold', 'p9')
  t.deepEqual(
    [mistyped.code, mistyped.stderr],
    [6, `error: system ${system} has no node p9 registered; did you mean p1, p2 or p3?\n`],
  )
  t.regex((await run('explain', 'p9')).stderr, /; did you mean p1, p2 or p3\?\n$/)
  t.regex((await run('node', 'forget', 'p9')).stderr, /; did you mean p1, p2 or p3\?\n$/)
  t.regex((await run('call', 'page', 'get')).stderr, /no service "page" registered; did you mean pages\?\n$/)
  t.regex((await run('node', 'ls', '--service', 'pagse')).stderr, /has no registered nodes; did you mean pages\?\n$/)
  t.regex((await run('node', 'ls', '--class', 'Pages.v9')).stderr, /is like that; did you mean Pages\.v1/)
  t.regex((await run('rollout', 'status', '--for', '2')).stderr, /the newest of system s\d+ is 1; did you mean 1\?\n$/)
  const why = await run('explain', 'p2')
  t.regex(
    why.stdout,
    /^p2 of pages runs Pages\.v1 at version 0 and is scheduled\n {2}waits for the end of its hold: busy\n {2}for \d+s\n {2}moved by natsctl node release p2\n$/,
  )
  const all = await run('explain')
  t.regex(all.stdout, /^version 1 of system s\d+, Readers can comment on a page: \d of 3 nodes there, paused\n/)
  t.regex(all.stdout, /p3\n {2}waits for the end of the pause of version 1: lunch\n.*\n {2}moved by natsctl rollout resume 1\n/)
  t.is(JSON.parse((await run('explain', '-o', 'json')).stdout).isPaused, true)
  t.is((await run('explain', 'p9')).code, 6)
  t.is((await run('rollout', 'resume')).stdout, 'version 1 goes on\n')
  await until(async () => (await host.operator.database.nodes('pages'))[2]!.version === 1, 'p3 goes')
  await until(async () => /its hold: busy/.test((await reasons())[1] ?? ''), 'p2 waits for the end of its hold alone')
  t.is((await run('node', 'release', 'p2')).code, 0)
  t.is((await run('rollout', 'status', '--timeout', '30s')).code, 0)
  t.regex((await run('rollout', 'retry')).stdout, /^version 1 is tried again/)
  t.regex((await run('rollout', 'resume', '1')).stderr, /was not paused/)
})

test('a node that stalls degrades its rollout: exit code 3, and the reason on the screen', async (t) => {
  const { env } = t.context
  await startSystem(t, ['p1'])
  const project = newProject(t)
  cpSync(join(root, 'samples/02-pages-comments'), project, { recursive: true })
  const source = join(project, 'upgrades/1-comments.ts')
  const transform = '(old, future) => ({ pages: old.pages, comments: future.comments })'
  writeFileSync(source, readFileSync(source, 'utf8').replace(transform, "() => { throw new Error('there is\\nno way') }"))
  const file = join(project, 'bad.upgrade')
  t.is((await natsctl(t, ['upgrade', 'build', source, '-O', file])).code, 0)
  t.is((await natsctl(t, ['upgrade', 'publish', file], { env })).code, 0)

  const status = await natsctl(t, ['rollout', 'status', '--wait'], { env })
  t.is(status.code, 3)
  t.regex(status.stdout, /0 of 1 node there, degraded/)
  t.regex(status.stdout, /^p1 +pages +Pages\.v1 +0 +stalled +\d+s +upgrade\.transform: there is no way$/m)
  const watched = await natsctl(t, ['rollout', 'watch', '--until-done'], { env })
  t.is(watched.code, 3)
  t.is((await natsctl(t, ['rollout', 'status', '--for', '0'], { env })).code, 0)
  t.is((await natsctl(t, ['rollout', 'status', '--for', '2'], { env })).code, 1)
})

test('waiting ends with exit code 5 when the time is up', async (t) => {
  const { env } = t.context
  const host = await startSystem(t, ['p1'])
  const file = join(newDirectory(t), '1.upgrade')
  t.is((await natsctl(t, ['upgrade', 'build', upgrade, '-O', file])).code, 0)
  // Nobody tells the node while its host is away.
  await host.stop()
  t.is((await natsctl(t, ['upgrade', 'publish', file], { env })).code, 0)
  const status = await natsctl(t, ['rollout', 'status', '--timeout', '300ms', '-o', 'json'], { env })
  t.is(status.code, 5)
  t.like(JSON.parse(status.stdout), { state: 'moving', nodes: 1, there: 0 })
})

test('a watch goes on until Ctrl-C, which is its ordinary end', async (t) => {
  const { env } = t.context
  await startSystem(t, ['p1'])
  const watched = new NatsctlProcess(t, ['rollout', 'watch', '-o', 'json'], { env })
  const progress = await watched.document(({ type }) => type === 'progress', 'the first look')
  t.like(progress, { version: 0, state: 'done', nodes: 1, there: 1 })
  watched.child.kill('SIGINT')
  t.is((await watched.ended).code, 0)
})

test('a call to nobody ends at once with exit code 6', async (t) => {
  const { env } = t.context
  const system = env.THESEUS_SYSTEM
  const unregistered = await natsctl(t, ['call', 'nobody', 'get'], { env })
  t.is(unregistered.code, 6)
  t.is(unregistered.stderr, `unavailable.no-responders: system ${system} has no node and no service "nobody" registered\n`)
  const forced = await natsctl(t, ['call', 'nobody', 'get', '--node', '--deadline', '200ms'], { env })
  t.is(forced.code, 6)
  t.regex(forced.stderr, /^unavailable\.no-responders: .*\n$/)
  const noServer = await natsctl(t, ['upgrade', 'ls'], { env })
  t.is(noServer.code, 6)
  t.regex(noServer.stderr, new RegExp(`^error: there is no system ${system}: nobody was ever heard of there`))
})

test('a fault is one line with its code, and exit code 1', async (t) => {
  const { env } = t.context
  await startSystem(t, ['p1'])
  const noMethod = await natsctl(t, ['call', 'p1', 'fly'], { env })
  t.is(noMethod.code, 1)
  t.is(noMethod.stdout, '')
  t.regex(noMethod.stderr, /^protocol\.no-such-method: .*\n$/)
  const noVersion = await natsctl(t, ['call', 'p1', 'get', '/', '--at-version', '7'], { env })
  t.is(noVersion.code, 1)
  t.regex(noVersion.stderr, /^version\.unknown: .*\n$/)
})

test('a system that nobody knows, or whose nodes are gone, is not done, whoever asks', async (t) => {
  const { env } = t.context
  const { THESEUS_SYSTEM: system } = env
  const run = (...args: readonly string[]): Promise<ProcessResult> => natsctl(t, args, { env })
  for (const args of [['rollout', 'status'], ['explain']]) {
    const { code, stdout, stderr } = await run(...args)
    t.deepEqual([code, stdout], [6, ''], args.join(' '))
    t.regex(stderr, new RegExp(`^error: there is no system ${system}: nobody was ever heard of there`))
  }
  t.is((await run('rollout', 'status', '--timeout', '300ms')).code, 5)
  t.is((await run('rollout', 'status', '--watch', '--timeout', '300ms')).code, 5)
  const doctor = await run('doctor')
  t.regex(`${doctor.stdout}`, /has no registered nodes/)
  t.not(doctor.code, 0)
  // It goes on, and ends once there is a node that is there.
  const watching = run('rollout', 'watch', '--until-done', '-o', 'json')
  await startSystem(t, ['p1'])
  const watched = await watching
  t.is(watched.code, 0, watched.stderr)
  t.like(JSON.parse(watched.stdout.trim().split('\n').at(-1)!), { state: 'done', nodes: 1 })
})

test('a system without nodes is no error, but said', async (t) => {
  const { env } = t.context
  await startSystem(t, [])
  const { code, stdout, stderr } = await natsctl(t, ['node', 'ls', '-o', 'json'], { env })
  t.is(code, 0, stderr)
  t.is(stdout, '[]\n')
  t.is(stderr, `system ${env.THESEUS_SYSTEM} has no registered nodes\n`)
})

test('a paused version is promoted in shares, another pace needs a schedule that heeds it, and an abort is one order', async (t) => {
  const { env } = t.context
  const run = (...args: readonly string[]): Promise<ProcessResult> => natsctl(t, args, { env })
  const { THESEUS_SYSTEM: system } = env
  await startSystem(t, ['p1', 'p2', 'p3'])
  const file = join(newDirectory(t), '1.upgrade')
  const none = await run('rollout', 'promote', '--all')
  t.deepEqual([none.code, none.stderr.split('\n').at(-2)], [1, `error: system ${system} runs version 0: there is no rollout`])
  await run('upgrade', 'build', upgrade, '-O', file)

  const published = await run('upgrade', 'publish', file, '--paused', '--reason', 'a few first')
  t.is(published.code, 0, published.stderr)
  t.regex(published.stderr, /it is paused: "natsctl rollout promote 10%" lets some nodes go/)
  const waiting = JSON.parse((await run('rollout', 'status', '-o', 'json')).stdout)
  t.like(waiting, { state: 'paused', there: 0, paused: [{ version: 1, reason: 'a few first' }], promotion: null, pace: null })

  const promoted = await run('rollout', 'promote', '40%', '--reason', 'canary')
  t.is(promoted.code, 0, promoted.stderr)
  t.is(promoted.stdout, '1 of 3 nodes of pages go to version 1 now, 0 of them are there\n')
  t.regex(promoted.stderr, /the pause of version 1 holds the others/)
  await until(async () => JSON.parse((await run('rollout', 'status', '-o', 'json')).stdout).there === 1, 'p1 is there')
  const status = await run('rollout', 'status')
  t.regex(status.stdout, /^version 1 is promoted on 40 % of the nodes for \d+s: canary$/m)

  const noSteps = await run('rollout', 'promote')
  t.deepEqual([noSteps.code, /has steps, so there is no next one/.test(noSteps.stderr)], [1, true])
  const noBake = await run('rollout', 'pace', '--bake', '5m')
  t.deepEqual([noBake.code, /--bake changes nothing: no schedule of version 1 is steps/.test(noBake.stderr)], [1, true])
  for (const args of [
    ['promote', '0%'],
    ['promote', '5'],
    ['promote', '5%', '--all'],
    ['pace'],
    ['pace', '--bake', '1m', '--reset'],
  ])
    t.is((await run('rollout', ...args)).code, 2, args.join(' '))
  const paced = await run('rollout', 'pace', '--probability', '0.5', '--every', '90s')
  t.deepEqual([paced.code, paced.stdout], [0, 'version 1 goes on with probability 0.5, every 90s\n'])
  t.like(JSON.parse((await run('rollout', 'status', '-o', 'json')).stdout).pace, {
    probability: 0.5,
    everyMs: 90_000,
    bakeMs: null,
  })

  const aborted = await run('rollout', 'abort', '--yes', '--reason', 'wrong')
  t.is(aborted.code, 0, aborted.stderr)
  t.regex(aborted.stdout, /no node goes forward any more: the version is paused in the same order/)
  t.is((await run('rollout', 'status', '--timeout', '30s')).code, 0)
  for (const verb of ['abort', 'undo']) {
    const again = await run('rollout', verb, '1', '--yes')
    t.deepEqual([again.code, again.stdout], [0, `version 1 of system ${system} is undone already, by version 2\n`])
  }
})
