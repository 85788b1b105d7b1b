/**
 * The commands that look into the upgrade database and change it: `node forget`, `table`, `version`. Its
 * server carries out what is signed.
 */

import { PassThrough } from 'node:stream'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { startUpgradeServer } from 'theseus-actors'
import { digestOf } from '../../core/base/digest.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { encodeManifest, type Manifest, manifestFormat } from '../../core/upgrade/manifest.js'
import { runtimeInterface } from '../../core/upgrade/runtimeInterface.js'
import { deadCell, neededByIdsMax, summarizeVersions } from '../../natsctl/commands/version.js'
import { confirm } from '../../natsctl/output/confirm.js'
import { systemClock } from '../../transports/systemClock.js'
import { statusOf, upgradingNode } from '../contracts/databaseContract.js'
import { until } from '../support/eventually.js'
import type { ProcessResult } from './natsctlProcess.js'
import { runnerOf, systemsOf } from './natsctlSystem.js'

interface Context {
  readonly server: { stop(): Promise<void> }
  readonly system: string
  readonly database: UpgradeDatabase
  run(...args: readonly string[]): Promise<ProcessResult>
  /** Runs with `-o json`, expects exit code 0, and gives the one document that was printed. */
  json(...args: readonly string[]): Promise<any>
}

const test = anyTest as TestFn<Context>
const leaseMs = 600_000
const nextSystem = systemsOf('s')

/** A system of its own for each test. */
test.beforeEach(async (t) => {
  const { system, env, ways } = nextSystem()
  const database = await ways.udb.open(system, systemClock)
  const { run, json } = runnerOf(t, env)
  const server = await startUpgradeServer({ system, ...ways, gate: 'off', deathRound: '1h' })
  t.context = { system, database, server, run, json }
})

test.afterEach.always(async (t) => {
  await t.context.server?.stop()
  await t.context.database?.close()
})

/** Ends with this code and one line on stderr, and prints no data. */
function refused(t: ExecutionContext<Context>, { code, stdout, stderr }: ProcessResult, expected: number, line: RegExp): void {
  t.is(code, expected, stderr)
  t.is(stdout, '')
  t.regex(stderr, line)
  t.is(stderr.indexOf('\n'), stderr.length - 1, stderr)
}

/** A node whose host is not heard of any more. */
async function registerAway(database: UpgradeDatabase, nodeId: string): Promise<void> {
  await database.register(statusOf(nodeId, { version: 2, phase: 'stalled', target: 3, reason: 'why' }), 1)
  await until(
    async () => (await database.nodes()).some((row) => row.nodeId === nodeId && !row.alive),
    `the lease of ${nodeId} runs out`,
  )
}

// natsctl node forget

test('a node that is away is forgotten with its permit, and what was dropped is said', async (t) => {
  const { database, run, json } = t.context
  for (const nodeId of ['p1', 'p2']) await registerAway(database, nodeId)
  await database.claimPermit('pages', upgradingNode('p1'), { nodes: 1 })

  const { code, stdout, stderr } = await run('node', 'forget', 'p1', '--yes')
  t.is(code, 0, stderr)
  t.is(stdout, 'forgot node p1 (service pages, class Pages.v1, version 2, stalled, not alive)\n')
  t.is(
    stderr,
    'its state is only in the state directory of host host1: a node p1 that starts on another host begins without it\n',
  )
  t.true((await database.claimPermit('pages', upgradingNode('p3'), { nodes: 1 })).claimed)
  t.deepEqual(await json('node', 'forget', 'p2', '--yes'), {
    node: 'p2',
    row: {
      ...{ node: 'p2', service: 'pages', class: 'Pages.v1', version: 2, phase: 'stalled', target: 3, alive: false },
      ...{ since: '2023-11-14T22:13:20.000Z', host: 'host1', reason: 'why' },
    },
  })
  t.deepEqual(await database.nodes(), [])
})

test('without a terminal nothing is asked and nothing forgotten: --yes is needed', async (t) => {
  const { database, run } = t.context
  await registerAway(database, 'p1')
  const ended = await run('node', 'forget', 'p1')
  refused(t, ended, 2, /^error: this forgets node p1 \(service pages, .*, not alive\) for good: give --yes\n$/)
  t.is((await database.nodes()).length, 1)
})

test('a node that is alive is forgotten by force only', async (t) => {
  const { database, run } = t.context
  await database.register(statusOf('p1'), leaseMs)
  const ended = await run('node', 'forget', 'p1', '--yes')
  refused(
    t,
    ended,
    1,
    /^error: node p1 \(.*, current, alive\) must not be forgotten .*: stop host host1 first, or give --force\n$/,
  )
  t.is((await database.nodes()).length, 1)
  t.is((await run('node', 'forget', 'p1', '--force')).code, 2)
  t.is((await run('node', 'forget', 'p1', '--force', '--yes')).code, 0)
  t.deepEqual(await database.nodes(), [])
})

test('of a node that is not registered, what is left is forgotten by force only', async (t) => {
  const { database, run, system, json } = t.context
  await database.claimPermit('pages', upgradingNode('ghost'), { nodes: 1 })
  const ended = await run('node', 'forget', 'ghost', '--yes')
  refused(t, ended, 6, new RegExp(`^error: system ${system} has no node ghost registered; --force .*\n$`))
  t.false((await database.claimPermit('pages', upgradingNode('p1'), { nodes: 1 })).claimed)
  t.deepEqual(await json('node', 'forget', 'ghost', '--yes', '--force'), { node: 'ghost', row: null })
  t.true((await database.claimPermit('pages', upgradingNode('p1'), { nodes: 1 })).claimed)
})

test('at a terminal only a yes is a yes; Ctrl-C is neither', async (t) => {
  const answering = async (typed: string) => {
    const input = new PassThrough()
    const output = Object.assign(new PassThrough(), { isTTY: true, columns: 80 })
    const answer = confirm('Forget it?', input, output)
    if (typed === '') input.end()
    else input.write(typed)
    return [await answer, String(output.read()).includes('Forget it? [y/N]')]
  }
  for (const typed of ['y\r', 'YES\r', ' y \r']) t.deepEqual(await answering(typed), ['yes', true], typed)
  for (const typed of ['n\r', '\r', 'yep\r', '\u0004', '']) t.deepEqual(await answering(typed), ['no', true], typed)
  t.deepEqual(await answering('y\u0003'), ['interrupted', true])
})

// natsctl table

test('a table is set, listed, read and removed, key by key', async (t) => {
  const { database, run, json, system } = t.context
  const none = await run('table', 'ls', '-o', 'json')
  t.deepEqual([none.code, none.stdout, none.stderr], [0, '[]\n', `system ${system} has no tables\n`])

  t.is((await run('table', 'set', 'authorized', 'p2', 'after lunch')).stdout, 'authorized: p2 = after lunch\n')
  t.deepEqual(await json('table', 'set', 'authorized', 'p1', 'yes'), { table: 'authorized', key: 'p1', value: 'yes' })
  t.is((await run('table', 'set', 'weather', 'low', '--', '-5')).code, 0)
  t.deepEqual(
    [...(await database.table('authorized'))],
    [
      ['p1', 'yes'],
      ['p2', 'after lunch'],
    ],
  )

  t.is((await run('table', 'ls')).stdout, 'TABLE\nauthorized\nweather\n')
  t.deepEqual(await json('table', 'ls'), [{ table: 'authorized' }, { table: 'weather' }])
  t.is((await run('table', 'get', 'authorized')).stdout, 'KEY  VALUE\np1   yes\np2   after lunch\n')
  t.deepEqual(await json('table', 'get', 'authorized'), [
    { key: 'p1', value: 'yes' },
    { key: 'p2', value: 'after lunch' },
  ])
  t.is((await run('table', 'get', 'weather', 'low')).stdout, '-5\n')
  t.deepEqual(await json('table', 'get', 'authorized', 'p1'), { key: 'p1', value: 'yes' })

  t.is((await run('table', 'rm', 'authorized', 'p1')).stdout, 'authorized: removed p1\n')
  t.deepEqual(await json('table', 'rm', 'authorized', 'p2'), { table: 'authorized', key: 'p2' })
  t.deepEqual(await database.tables(), ['weather'])
})

test('a key that is not there is an error; a table that is not there is empty, but said', async (t) => {
  const { database, run, system } = t.context
  await database.setInTable('authorized', 'p1', 'yes')
  for (const verb of ['get', 'rm'])
    refused(
      t,
      await run('table', verb, 'authorized', 'p2'),
      1,
      /^error: table authorized of system s\d+ has no key p2; did you mean p1\?\n$/,
    )
  const { code, stdout, stderr } = await run('table', 'get', 'autorized', '-o', 'json')
  t.deepEqual([code, stdout, stderr], [0, '[]\n', `system ${system} has no table autorized; did you mean authorized?\n`])
})

test('a wrong name, key or value of a table is a wrong argument', async (t) => {
  const { database, run } = t.context
  refused(t, await run('table', 'get', 'two words'), 2, /'two words' is invalid for argument 'table'\. Use letters/)
  refused(t, await run('table', 'rm', 'authorized', ''), 2, /invalid for argument 'key'\. Use text of 1 to 256 characters/)
  refused(t, await run('table', 'set', 'a', 'k', 'v'.repeat(65_537)), 2, /argument 'value'\. Use text of at most 64 KiB/)
  t.deepEqual(await database.tables(), [])
})

test('no control character of a table reaches the terminal, and JSON has every one', async (t) => {
  const { database, run, json } = t.context
  await database.setInTable('odd', 'k\u001b[2J', 'a\nb\u001b[31m')
  t.is((await run('table', 'get', 'odd')).stdout, 'KEY    VALUE\nk [2J  a b [31m\n')
  t.is((await run('table', 'get', 'odd', 'k\u001b[2J')).stdout, 'a b [31m\n')
  t.deepEqual(await json('table', 'get', 'odd'), [{ key: 'k\u001b[2J', value: 'a\nb\u001b[31m' }])
})

// natsctl version

function manifestOf(system: string, version: number, previous: string | null): Manifest {
  const digest = digestOf(new Uint8Array([version]))
  return {
    ...{ format: manifestFormat, runtime: runtimeInterface, title: `Step ${version}`, bundle: { digest, bytes: 1 } },
    ...{
      classUpgrades: [],
      tables: {},
      gate: null,
      undoes: null,
      system,
      version,
      previous,
      reason: null,
      createdAt: '2026-01-01T00:00:00Z',
      upgrader: null,
      upgraders: null,
    },
  }
}

async function install(database: UpgradeDatabase, system: string, versions: number): Promise<void> {
  for (let version = 1; version <= versions; version++) {
    const head = await database.head()
    const bytes = encodeManifest(manifestOf(system, version, head.digest))
    await database.install(head, digestOf(bytes), { bytes, signature: null })
  }
}

test('the versions are listed with who runs them, who still needs them, and which are dead', async (t) => {
  const { database, json, run, system } = t.context
  await install(database, system, 3)
  const pin = { service: 'client', className: 'Client', directoryId: null }
  await database.register(statusOf('p1', { version: 3 }), leaseMs)
  await database.register(statusOf('p2', { version: 3, phase: 'recovering', target: 3 }), leaseMs)
  await database.register(statusOf('desk-v1', { ...pin, version: 1 }), leaseMs)
  const { sinceMs } = await database.declareDead(1, 0)

  const alive = { life: 'alive', deadSince: null }
  const running = (nodes: number, clients: number) => ({ nodes, clients })
  t.deepEqual(await json('version', 'ls'), [
    {
      ...{ version: 0, title: null, ...running(0, 0), neededBy: { ...running(0, 0), ids: [] } },
      ...{ life: 'dead', deadSince: new Date(sinceMs).toISOString() },
    },
    { version: 1, title: 'Step 1', ...running(0, 1), neededBy: { ...running(0, 1), ids: ['desk-v1'] }, ...alive },
    { version: 2, title: 'Step 2', ...running(0, 0), neededBy: { ...running(1, 1), ids: ['desk-v1', 'p2'] }, ...alive },
    {
      ...{ version: 3, title: 'Step 3', ...running(2, 0), neededBy: { ...running(2, 1), ids: ['desk-v1', 'p2', 'p1'] } },
      ...alive,
    },
  ])
  const table = (await run('version', 'ls')).stdout.split('\n').map((line) => line.split(/ {2,}/))
  t.deepEqual(table[0], ['VERSION', 'TITLE', 'NODES', 'CLIENTS', 'NEEDED BY', 'DEAD'])
  t.deepEqual(table[1]!.slice(0, 5), ['0', '-', '0', '0', '-'])
  t.regex(table[1]![5]!, /^for (\d+[hms])+$/)
  t.deepEqual(table[2], ['1', 'Step 1', '0', '1', '1 client: desk-v1'])
  t.deepEqual(table[4], ['3', 'Step 3', '2', '0', '2 nodes, 1 client: desk-v1, p2, p1'])

  await database.forget('desk-v1')
  await database.declareDead(2, 3_600_000)
  t.regex((await run('version', 'ls')).stdout, /^1 .* in (59m\d+s|1h0m)$/m)
  // It is dead already, whatever dies next.
  t.regex((await run('version', 'ls')).stdout, /^0 .* yes$/m)
  const [zero, one, two] = (await json('version', 'ls')) as { life: string; deadSince: string | null }[]
  t.deepEqual([zero!.life, one!.life, two!.life], ['dead', 'dying', 'alive'])
  t.is(zero!.deadSince, null)
  t.true(Date.parse(one!.deadSince!) > sinceMs)
})

test('a death whose time has come is due until an upgrade server carries it out', (t) => {
  const at = '2026-01-01T00:00:10.000Z'
  const cellOf = (version: Parameters<typeof deadCell>[0]) => {
    const cell = deadCell(version, Date.parse('2026-01-01T00:00:00.000Z'))
    return typeof cell === 'object' && cell !== null ? cell.text : cell
  }
  t.is(cellOf({ life: 'dying', deadSince: at }), 'in 10s')
  t.is(cellOf({ life: 'dying', deadSince: '2025-12-31T23:59:00.000Z' }), 'due')
  t.is(cellOf({ life: 'dead', deadSince: at }), 'for 0s', 'another clock')
  t.is(cellOf({ life: 'dead', deadSince: '2025-12-31T23:59:00.000Z' }), 'for 1m0s')
  t.is(cellOf({ life: 'dead', deadSince: null }), 'yes')
  t.is(cellOf({ life: 'alive', deadSince: null }), '')
})

test('a new system has version 0, which is alive', async (t) => {
  t.deepEqual(await t.context.json('version', 'ls'), [
    {
      version: 0,
      title: null,
      nodes: 0,
      clients: 0,
      neededBy: { nodes: 0, clients: 0, ids: [] },
      life: 'alive',
      deadSince: null,
    },
  ])
})

test('of those who need a version, all are counted and only the first are named, the oldest version first', (t) => {
  const rows = Array.from({ length: neededByIdsMax + 20 }, (_, i) => ({
    ...statusOf(`n${i}`, { version: i === 60 ? 0 : 1 }),
    alive: i % 2 === 0,
  }))
  const [oldest, newest] = summarizeVersions(1, new Map(), rows, { below: 0, sinceMs: 0, inForce: 0 })
  t.deepEqual(oldest!.neededBy, { nodes: 1, clients: 0, ids: ['n60'] })
  t.is(newest!.neededBy.nodes, rows.length)
  t.deepEqual(newest!.neededBy.ids.slice(0, 2), ['n60', 'n0'])
  t.is(newest!.neededBy.ids.length, neededByIdsMax)
})
