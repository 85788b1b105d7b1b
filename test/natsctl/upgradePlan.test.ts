/** `natsctl upgrade plan` and `diff` against real servers. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { decodeUpgradeFile, encodeUpgradeFile } from '../../natsctl/build/upgradeFile.js'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import { until } from '../support/eventually.js'
import { natsctl, newDirectory, newProject, type ProcessResult, root } from './natsctlProcess.js'
import { type RunningPages, type SystemOfTest, startPages, systemsOf } from './natsctlSystem.js'

const test = anyTest as TestFn<SystemOfTest>
const comments = join(root, 'samples/02-pages-comments/upgrades/1-comments.ts')
const likes = join(root, 'samples/02-pages-comments/upgrades/2-likes.ts')
const nextSystem = systemsOf('plan')

test.beforeEach((t) => {
  t.context = nextSystem()
})

function startSystem(t: ExecutionContext<SystemOfTest>, nodes: readonly string[]): Promise<RunningPages> {
  return startPages(t, t.context, nodes)
}

/** A JavaScript upgrade of the pages, with this schedule. */
function upgradeWith(t: ExecutionContext, schedule: string): string {
  const file = join(newProject(t), 'upgrade.js')
  writeFileSync(
    file,
    `import { NodeObject, allOf, atMost, command, defineUpgrade, eagerly, futureSO, keeps, none, onlyNodes, oneReplicaAtATime, promising, query, schedule, upgradeClass } from 'theseus-actors'
    const marked = (definition, marks) => {
      for (const [name, mark] of Object.entries(marks)) mark(definition.prototype, name)
      return definition
    }
    const Old = marked(class extends NodeObject { static className = 'Pages.v1'; put() {} get() {} }, { put: command, get: query })
    const New = marked(class extends Old { static className = 'Pages.v2'; remove() {} }, { remove: command })
    export default defineUpgrade({ title: 'Pages are removed', classUpgrades: [upgradeClass({
      oldClass: Old, newClass: New, pastSO: none,
      futureSO: futureSO({ simulates: New, over: Old, delegates: ['put', 'get'], refuses: ['remove'], methods: {} }),
      transform: (old) => old, schedule: ${schedule} })] })`,
  )
  return file
}

const runner =
  (t: ExecutionContext<SystemOfTest>) =>
  (...args: readonly string[]): Promise<ProcessResult> =>
    natsctl(t, args, { env: t.context.env })

test('a plan tells who goes, when, under which limit, what is refused and that there is no way back; and publishes nothing', async (t) => {
  const run = runner(t)
  const { host } = await startSystem(t, ['p1', 'p2', 'p3'])
  const { THESEUS_SYSTEM: system } = t.context.env
  const module = upgradeWith(t, 'oneReplicaAtATime()')
  const planned = await run('upgrade', 'plan', module, '--drain', '10s', '--transform', '50s')
  t.is(planned.code, 0, planned.stderr)
  t.is(planned.stderr, '')
  const lines = planned.stdout.split('\n')
  t.is(lines[0], `system ${system} would go to version 1: Pages are removed`)
  t.regex(lines[1]!, /^3 nodes affected; it takes 3m[0-2]s; at most 1 away at once$/)
  t.deepEqual(
    lines.slice(2, 6).map((line) => line.trimEnd()),
    [
      '',
      'pages: Pages.v1 → Pages.v2, oneReplicaAtATime',
      '  3 of 3 nodes affected; at most 1 away at once: the limit of the hosts lets 1',
      'NODE  GOES AFTER  SERVES AGAIN AFTER',
    ],
  )
  t.regex(lines[6]!, /^p1 {4}0\.[01]s +1m0s$/)
  t.regex(lines[7]!, /^p2 {4}1m0s +2m[01]s$/)
  t.regex(lines[8]!, /^p3 {4}2m[01]s +3m[012]s$/)
  t.deepEqual(lines.slice(9), [
    '',
    'CALLS AT  METHOD           NODES WITH  MEANWHILE',
    '1         Pages.v2.remove  Pages.v1    refused by the future-SO',
    '0         Pages.v1.get     Pages.v2    not answered: there is no past-SO',
    '0         Pages.v1.put     Pages.v2    not answered: there is no past-SO',
    '',
    'a point of no return: Pages.v2 has no inverse',
    'assumed:',
    '  a node drains for 10000 ms and is away for 50000 ms more (--drain, --transform)',
    "  hosts let at most 25% of a service's nodes be away at once (--limit)",
    '  nodes learn of the version at once; none joins, leaves or dies, and nobody gives orders',
    '',
  ])
  t.is((await host.operator.database.head()).version, 0)
  t.true((await host.operator.database.nodes()).every(({ phase }) => phase === 'current'))
})

test('an upgrade that needs a format above the system’s level is planned, and it is said that the level is raised first', async (t) => {
  const run = runner(t)
  await startSystem(t, ['p1'])
  const module = upgradeWith(t, "atMost('all')")
  const planned = await run('upgrade', 'plan', module)
  t.is(planned.code, 3, planned.stderr)
  const why = /version 1 needs runtime interface 2, and the system's level is 1: raise it with "natsctl system level --raise"/
  t.regex(planned.stderr, why)
  const file = join(newDirectory(t), '1.upgrade')
  t.is((await run('upgrade', 'build', module, '--out', file)).code, 0)
  const published = await run('upgrade', 'publish', file)
  t.is(published.code, 1, published.stderr)
  t.regex(published.stderr, why)
  t.is((await run('system', 'level', '--raise', '--yes')).code, 0)
  t.false((await run('upgrade', 'plan', file)).stderr.includes('the level'))
  const again = await run('upgrade', 'publish', file)
  t.is(again.code, 0, again.stderr)
})

test('promises are planned in stories, and the worst one is told again by its seed', async (t) => {
  const run = runner(t)
  await startSystem(t, ['p1', 'p2', 'p3'])
  const two = "keeps({ service: 'pages', serving: 2 })"
  const plan = async (its: string, ...more: readonly string[]) => {
    const module = upgradeWith(t, `promising(${its}, ${two})`)
    const { code, stdout, stderr } = await run('upgrade', 'plan', module, '--limit', '3', '-o', 'json', ...more)
    t.is(code, 3, stderr)
    t.regex(stderr, /version 1 needs runtime interface 2/)
    return JSON.parse(stdout)
  }
  const kept = await plan('oneReplicaAtATime()', '--seeds', '8')
  t.like(kept.promises, {
    promises: ['keeps 2 nodes of pages serving'],
    stories: 8,
    failures: 0,
    kept: 8,
    broken: 0,
    worst: null,
  })
  const { at, promises } = await plan('atMost(3)', '--seeds', '8', '--failures', '1')
  t.like(promises, { stories: 8, failures: 1 })
  t.true(promises.broken > 0)
  t.regex(promises.worst.broken.what, /^keeps 2 nodes of pages serving: 0 of 3 nodes of pages serve, 3 are away for the upgrade$/)
  const again = await plan('atMost(3)', '--failures', '1', '--seed', `${promises.worst.seed}`, '--seeds', '1', '--at', at)
  t.deepEqual(again.promises.worst, promises.worst)
  const module = upgradeWith(t, `promising(atMost(3), ${two})`)
  const shown = await run('upgrade', 'plan', module, '--limit', '3', '--at', at)
  t.regex(
    shown.stdout,
    /^promise: keeps 2 nodes of pages serving\n {2}in 5 stories: holds in 0, pauses the rollout in 0, is broken in 5$/m,
  )
  t.regex(shown.stdout, new RegExp(`again: --seed 1 --seeds 1 --failures 0 --at ${at}`))
  t.is((await run('upgrade', 'plan', module, '--at', 'noon')).code, 2)
})

test('a rollout that is about to break a promise is paused, which its status says', async (t) => {
  const run = runner(t)
  await startSystem(t, ['p1', 'p2'])
  t.is((await run('system', 'level', '--raise', '--yes')).code, 0)
  const its = "schedule('not today', (view) => view.sleep(86_400_000))"
  const module = upgradeWith(t, `promising(${its}, keeps({ service: 'pages', serving: 2 }))`)
  const file = join(newDirectory(t), '1.upgrade')
  t.is((await run('upgrade', 'build', module, '--out', file)).code, 0)
  const published = await run('upgrade', 'publish', file)
  t.is(published.code, 0, published.stderr)
  const status = await run('rollout', 'status', '--wait', '--timeout', '60s')
  t.is(status.code, 4, status.stderr)
  const what = 'keeps 2 nodes of pages serving: 2 of 2 nodes of pages serve, and the next that goes leaves 1; 2 must serve'
  t.true(status.stdout.includes(`: a promise is about to be broken: ${what}`), status.stdout)
  t.true(status.stdout.includes(`promise at stake: ${what}`), status.stdout)
  const explained = await run('explain')
  t.true(explained.stdout.includes(what), explained.stdout + explained.stderr)
})

test('a plan as JSON, of an upgrade file, without an upgrade server', async (t) => {
  const run = runner(t)
  const { host, server } = await startSystem(t, ['p1', 'p2', 'p3', 'p4'])
  // A caller of today's version.
  await host.ref(PagesV1, 'p1').get('/home')
  await host.operator.hold('p4', 'busy')
  const file = join(newDirectory(t), '1.upgrade')
  t.is((await run('upgrade', 'build', upgradeWith(t, 'atMost(3)'), '-O', file)).code, 0)
  await server.stop()
  const args = ['upgrade', 'plan', file, '--limit', '2', '--drain', '1s', '--transform', '1s', '-o', 'json'] as const
  const planned = await run(...args)
  t.is(planned.code, 0, planned.stderr)
  const { services, absent, callers, refusals, assumptions, duration, at, ...rest } = JSON.parse(planned.stdout)
  t.deepEqual(rest, {
    system: t.context.env.THESEUS_SYSTEM,
    version: 1,
    title: 'Pages are removed',
    seed: 1,
    runs: 1,
    lots: 'slots',
    meant: [],
    mostAway: 2,
    neighbours: [],
    undoable: false,
    noWayBack: ['Pages.v2'],
    paused: null,
    gaveUp: null,
    promises: null,
    warnings: [],
  })
  t.true(Math.abs(Date.parse(at) - Date.now()) < 600_000)
  t.is(services.length, 1)
  const [{ nodes, ...service }] = services
  t.deepEqual(service, {
    service: 'pages',
    registered: 4,
    affected: 4,
    classUpgrades: [{ oldClass: 'Pages.v1', newClass: 'Pages.v2', schedule: 'atMost(3)', inverse: false }],
    mostAway: 2,
    limit: { nodes: 2, of: 'hosts' },
  })
  t.deepEqual(nodes.map(({ node }: { node: string }) => node).sort(), ['p1', 'p2', 'p3'])
  for (const { goesMs, arrivesMs } of nodes) t.is(arrivesMs - goesMs, 2_000)
  t.deepEqual(absent, [{ nodes: ['p4'], kind: 'control', waitsFor: 'the end of its hold: busy' }])
  t.is(callers.length, 1)
  t.like(callers[0], { version: 0, refused: ['Pages.v1.get', 'Pages.v1.put'] })
  t.is(callers[0].clients.length, 1)
  t.is(refusals.length, 2)
  t.is(assumptions.length, 3)
  t.true(duration.medianMs >= 4_000 && duration.medianMs < 5_000 && duration.longestMs === duration.medianMs)
  // The same seed, the same plan; another seed, another order or not, but as valid.
  t.deepEqual(JSON.parse((await run(...args)).stdout).services[0].nodes.length, 3)
  t.is((await run(...args, '--seed', '7')).code, 0)
})

test('of many nodes the table has the first twenty, and JSON has all', async (t) => {
  const run = runner(t)
  await startSystem(
    t,
    Array.from({ length: 25 }, (_, i) => `p${i + 10}`),
  )
  const module = upgradeWith(t, 'eagerly()')
  const { stdout, code } = await run('upgrade', 'plan', module)
  t.is(code, 0)
  t.is(stdout.match(/^p\d\d +\d+\.\ds +\d+\.\ds$/gm)!.length, 20)
  t.regex(stdout, /\n {2}chance has a part in their order: this is one of many\nNODE /)
  t.regex(stdout, /\n… and 5 more \(-o json has them all\)\n/)
  t.is(JSON.parse((await run('upgrade', 'plan', module, '-o', 'json')).stdout).services[0].nodes.length, 25)
})

test('a schedule that never lets a node go is told of, and one that throws makes it degraded', async (t) => {
  const run = runner(t)
  await startSystem(t, ['p1', 'p2'])
  const waiting = await run('upgrade', 'plan', upgradeWith(t, "onlyNodes('p2')"))
  t.is(waiting.code, 0)
  t.regex(waiting.stdout, /\n1 node not there in the end: p1\n {2}waits for its schedule for version 1, onlyNodes\(p2\)\n/)
  const throwing = await run(
    'upgrade',
    'plan',
    upgradeWith(t, "schedule('broken', async () => { throw new Error('no\\u001btable') })"),
  )
  t.is(throwing.code, 3)
  t.regex(throwing.stdout, /2 nodes not there in the end: p1, p2\n {2}waits for somebody: its schedule throws: no table\n/)
  t.regex(throwing.stdout, /\nthe health gate would pause the rollout: node p[12] is stalled: no table\n/)
})

test('a node that is behind is planned through the installed version first, with the bundle that the database has', async (t) => {
  const run = runner(t)
  const { host } = await startSystem(t, ['p1', 'p2'])
  await host.operator.hold('p2', 'behind')
  const file = join(newDirectory(t), '1.upgrade')
  await run('upgrade', 'build', comments, '-O', file)
  t.is((await run('upgrade', 'publish', file)).code, 0)
  const row = async (id: string) => (await host.operator.database.nodes('pages')).find(({ nodeId }) => nodeId === id)!
  await until(async () => (await row('p1')).version === 1 && (await row('p2')).phase === 'scheduled', 'p1 is there')
  const held = JSON.parse((await run('upgrade', 'plan', likes, '-o', 'json')).stdout)
  t.deepEqual(held.absent, [{ nodes: ['p2'], kind: 'control', waitsFor: 'the end of its hold: behind' }])
  t.deepEqual(held.warnings, ['not at the newest version yet: p2'])
  t.is(held.version, 2)
  // No hold, for the plan: the node is behind all the same, as its pause has it.
  await host.operator.pause(1, 'lunch')
  await host.operator.release('p2')
  await host.operator.upgradeNow('p1').catch(() => {})
  const paused = JSON.parse((await run('upgrade', 'plan', likes, '-o', 'json')).stdout)
  t.deepEqual(paused.absent, [{ nodes: ['p2'], kind: 'control', waitsFor: 'the end of the pause of version 1: lunch' }])

  const same = await run('upgrade', 'plan', comments)
  t.is(same.code, 1)
  t.is(same.stderr, 'upgrade.invalid: this upgrade is version 1 already\n')

  // The changes of version 1, from what is installed.
  const compared = await run('upgrade', 'diff', '0', '1', '-o', 'json')
  t.is(compared.code, 1, compared.stderr)
  const { of, classUpgrades } = JSON.parse(compared.stdout)
  t.is(of, `versions 0 and 1 of system ${t.context.env.THESEUS_SYSTEM}`)
  t.like(classUpgrades[0], { oldClass: 'Pages.v1', newClass: 'Pages.v2', futureSO: 'so', pastSO: 'notNeeded' })
  const [built] = JSON.parse((await run('upgrade', 'diff', file, '-o', 'json')).stdout).classUpgrades
  t.deepEqual(classUpgrades[0], built)
  const later = await run('upgrade', 'diff', '1', '2')
  t.deepEqual(
    [later.code, later.stderr],
    [1, `error: version 2 is not installed: the newest of system ${t.context.env.THESEUS_SYSTEM} is 1\n`],
  )
})

test('a diff shows methods, state and simulation objects side by side; what is the same ends with 0', async (t) => {
  const run = runner(t)
  const found = await run('upgrade', 'diff', comments)
  t.is(found.code, 1, found.stderr)
  t.is(
    found.stdout,
    `Readers can comment on a page

pages: Pages.v1 → Pages.v2
   METHOD    OLD      NEW      FUTURE SO   PAST SO
+  comment   -        command  implements  -
+  comments  -        query    implements  -
   get       query    query    delegates   not needed
   put       command  command  delegates   not needed
   STATE     OLD     NEW
+  comments  -       record
   pages     record  record
neither simulated nor refused: nothing
`,
  )
  const cut = await run('upgrade', 'diff', upgradeWith(t, 'eagerly()'))
  t.regex(cut.stdout, /neither simulated nor refused:\n {2}get, by the past-SO: there is none; such calls get version\.cut\n/)
  const file = join(newProject(t), 'nothing.js')
  writeFileSync(
    file,
    "import { defineUpgrade } from 'theseus-actors'\nexport default defineUpgrade({ title: 'Nothing', classUpgrades: [] })",
  )
  const nothing = await run('upgrade', 'diff', file)
  t.deepEqual([nothing.code, nothing.stdout], [0, 'Nothing\nno class changes\n'])
  t.deepEqual(JSON.parse((await run('upgrade', 'diff', file, '-o', 'json')).stdout), {
    of: 'Nothing',
    same: true,
    classUpgrades: [],
  })
})

test('a file whose manifest says something else than its code is neither planned nor compared', async (t) => {
  const run = runner(t)
  const file = join(newDirectory(t), '1.upgrade')
  await run('upgrade', 'build', comments, '-O', file)
  const { manifest, bundle } = decodeUpgradeFile(readFileSync(file))
  const [entry] = manifest.classUpgrades
  writeFileSync(
    file,
    encodeUpgradeFile({ manifest: { ...manifest, classUpgrades: [{ ...entry!, schedule: 'eagerly' }] }, bundle }),
  )
  for (const verb of ['plan', 'diff']) {
    const ended = await run('upgrade', verb, file)
    t.is(ended.code, 1)
    t.regex(ended.stderr, /^upgrade\.invalid: .*1\.upgrade: its manifest says something else than its code; build it again\n$/)
  }
})

test('what can’t be planned or compared is one line that says what to do', async (t) => {
  const run = runner(t)
  const told = async (code: number, stderr: RegExp, ...args: readonly string[]) => {
    const ended = await run(...args)
    t.is(ended.code, code, args.join(' '))
    t.regex(ended.stderr, stderr)
    t.is(ended.stdout, '')
  }
  await told(2, /diff compares two versions, such as 3 4, or takes a file\n$/, 'upgrade', 'diff', '3')
  await told(2, /the older one first\n$/, 'upgrade', 'diff', '3', '2')
  await told(2, /the older one first\n$/, 'upgrade', 'diff', '1', comments)
  await told(1, /can't read none\.upgrade/, 'upgrade', 'plan', 'none.upgrade')
  await told(2, /Use a number of nodes, such as 2, or a share, such as 10%\.\n$/, 'upgrade', 'plan', comments, '--limit', '0%')
  await told(2, /Use a whole number from 1 to 100\.\n$/, 'upgrade', 'plan', comments, '--runs', '0')
  await told(2, /Use a number with ms, s, m or h/, 'upgrade', 'plan', comments, '--drain', 'long')
})
