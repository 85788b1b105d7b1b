/** Rewinding by natsctl (§8): which nodes can, the replay, and its report. */
import { join } from 'node:path'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { createHost, type RunningHost } from 'theseus-actors'
import { memoryStore } from 'theseus-actors/memory'
import { AccountV1 } from '../../samples/08-rewind/account.js'
import { PostV1 } from '../../samples/08-rewind/post.js'
import { until } from '../support/eventually.js'
import { newDirectory, root } from './natsctlProcess.js'
import { runnerOf, type SystemOfTest, startPages, startServer, systemsOf } from './natsctlSystem.js'

const test = anyTest as TestFn<SystemOfTest>
const samples = join(root, 'samples')
const nextSystem = systemsOf('rewind')

test.beforeEach((t) => {
  t.context = nextSystem()
})

async function newHost(t: ExecutionContext<SystemOfTest>, hostId: string, observedState?: 'nothing'): Promise<RunningHost> {
  const { system, ways } = t.context
  const settings = observedState === undefined ? {} : { settings: { observedState } }
  const host = await createHost({ system, hostId, ...ways, ...settings, state: memoryStore(), bundles: newDirectory(t) })
  t.teardown(() => host.stop())
  return host
}

/** Accounts at version 1, which keeps euros that it has changed into cents. */
async function startBank(t: ExecutionContext<SystemOfTest>, accounts: readonly string[], on: readonly RunningHost[]) {
  const { run, json } = runnerOf(t, t.context.env)
  await on[0]!.node(PostV1, 'post')
  for (const [i, account] of accounts.entries()) await on[i % on.length]!.node(AccountV1, account)
  for (const account of accounts) await json('call', account, 'deposit', '1000')
  const file = join(newDirectory(t), '1.upgrade')
  t.is((await run('upgrade', 'build', join(samples, '08-rewind/upgrades/1-euros.ts'), '-O', file)).code, 0)
  t.is((await run('upgrade', 'publish', file)).code, 0)
  t.is((await run('rollout', 'status', '--timeout', '30s')).code, 0)
  return { run, json }
}

test('a rewind says first which nodes have a whole recording, and afterwards who was told something else', async (t) => {
  const { THESEUS_SYSTEM: system } = t.context.env
  await startServer(t, t.context)
  const { run, json } = await startBank(t, ['alice', 'bob'], [await newHost(t, 'h1')])
  await json('call', 'alice', 'withdraw', '1')
  t.is(await json('call', 'alice', 'balance', '--query'), 1099)
  t.is(await json('call', 'alice', 'withdraw', '1050'), null)
  t.is(await json('call', 'alice', 'statement'), 49)

  const status = await run('rollout', 'status')
  t.regex(status.stdout, /^accounts: version 1 can be rewound until 20\S+Z, 23h59m from now: 2 nodes$/m)
  const { services } = await json('rollout', 'status')
  t.like(services[0].rewind, { version: 1, nodes: 2, ended: 0 })
  t.regex(services[0].rewind.until, /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  t.is(services[1].rewind, null)
  t.regex((await run('node', 'describe', 'bob')).stdout, /^rewind {4}until 20\S+Z, 23h59m from now$/m)
  t.regex((await json('node', 'describe', 'bob')).rewind.until, /^20/)

  const none = await run('rollout', 'rewound')
  t.deepEqual([none.code, none.stderr], [1, `error: no version of system ${system} was rewound\n`])
  const dry = await run('rollout', 'rewind', '--dry-run')
  t.is(
    dry.stdout,
    [
      'would rewind version 1, Accounts keep euros and cents',
      '  accounts: Account.v2 → Account.v1',
      '  2 nodes to go back, 0 to stay as they are',
      '  2 nodes with a whole recording, the first for 23h59m more',
      '',
    ].join('\n'),
  )
  const asked = await run('rollout', 'rewind')
  t.is(asked.code, 2)
  t.regex(asked.stderr, /this rewinds version 1 of system .*: give --yes/)

  const done = await run('rollout', 'rewind', '--yes', '--reason', 'wrong balances', '-o', 'json')
  t.is(done.code, 0, done.stderr)
  t.like(JSON.parse(done.stdout), { version: 2, undoes: 1, back: ['alice', 'bob'], byInverse: [], stalls: [] })
  t.is((await run('rollout', 'status', '--timeout', '30s')).code, 0)
  t.is(await json('call', 'alice', 'balance', '--query'), 999)
  t.is((await json('upgrade', 'ls'))[1].title, 'Rewind of “Accounts keep euros and cents”')

  const report = await json('rollout', 'rewound')
  t.like(report, { version: 2, undoes: 1, coming: [], untold: [], unheard: [], partial: [] })
  t.deepEqual(report.nodes, [
    { node: 'alice', host: 'h1', replayed: 4, differing: 3, told: 3 },
    { node: 'bob', host: 'h1', replayed: 0, differing: 0, told: 0 },
  ])
  t.deepEqual(
    report.operations.map(({ method, args, outcome, told, now }: Record<string, unknown>) => [method, args, outcome, told, now]),
    [
      ['balance', [], 'answer', 1099, 999],
      ['withdraw', [1050], 'refused', null, null],
      ['statement', [], 'diverged', 49, null],
    ],
  )
  t.is(report.operations[1].reason, 'not so much on this account')
  t.is(report.operations[0].caller.className, 'Operator')
  const table = await run('rollout', 'rewound', '--node', 'alice')
  t.is(table.code, 0, table.stderr)
  t.regex(table.stdout, /^version 2 of system \S+: rewind of version 1, Accounts keep euros and cents$/m)
  t.regex(table.stdout, /^1 node replayed 4 operations; 3 did not end as before$/m)
  t.regex(table.stdout, /^another answer: 1, refused now: 1, diverged: 1$/m)
  t.regex(table.stdout, /^alice +20\S+Z +withdraw +1050 +\S+ +null +refused +not so much on this account$/m)
  t.is((await run('rollout', 'rewound', '--node', 'alicia')).code, 6)

  // The first answer may have been lost: the same once more does nothing.
  const again = await run('rollout', 'rewind', '1', '--yes')
  t.deepEqual([again.code, again.stdout], [0, `version 1 of system ${system} is rewound already, by version 2\n`])
  const back = await run('rollout', 'rewind', '2', '--yes')
  t.deepEqual(
    [back.code, back.stderr.split('\n').at(-2)],
    [1, `error: version 2 of system ${system} can't be rewound: it takes back what version 1 brought`],
  )
})

test('an upgrade that says no "rewind" is not rewound, nor one that an undo has taken back', async (t) => {
  await startServer(t, t.context)
  const { run } = await startBank(t, ['alice'], [await newHost(t, 'h1')])
  t.is((await run('rollout', 'undo', '--yes')).code, 0)
  const gone = await run('rollout', 'rewind', '1', '--yes')
  t.is(gone.code, 1)
  t.regex(
    gone.stderr,
    /^error: version 1 of system \S+ can't be rewound: version 2 has undone it by the inverse, and what was recorded is gone$/m,
  )

  const other = nextSystem()
  await startPages(t, other, ['p1'])
  const pages = runnerOf(t, other.env)
  const nothing = await pages.run('rollout', 'rewind', '--yes')
  t.regex(nothing.stderr, /runs version 0: there is nothing to rewind$/m)
  const file = join(newDirectory(t), '1.upgrade')
  const planned = await pages.run('upgrade', 'plan', join(samples, '08-rewind/upgrades/1-euros.ts'))
  t.is(planned.code, 0, planned.stderr)
  t.regex(planned.stdout, /^ {2}can be rewound for 24h0m: each node keeps its old state, and records all commands and queries$/m)
  t.regex(planned.stdout, /^ {4}that takes twice the state and up to 1,000,000 operations or 256 MiB on disk; /m)
  const plan = await pages.json('upgrade', 'plan', join(samples, '08-rewind/upgrades/1-euros.ts'))
  t.deepEqual(plan.services[0].classUpgrades[0].rewind, {
    ...{ forMs: 86_400_000, operations: 1_000_000, bytes: 268_435_456, queries: true },
  })
  await pages.run('upgrade', 'build', join(samples, '02-pages-comments/upgrades/1-comments.ts'), '-O', file)
  await pages.run('upgrade', 'publish', file)
  const refused = await pages.run('rollout', 'rewind', '--yes')
  t.is(refused.code, 1)
  t.regex(
    refused.stderr,
    /can't be rewound: none of its class upgrades says "rewind": "natsctl rollout undo" goes back by the inverse$/m,
  )
})

test('a report says whose part is missing: a host that is away, one that tells nothing, nodes that are not back', async (t) => {
  await startServer(t, t.context)
  const [first, silent, lost] = [await newHost(t, 'h1'), await newHost(t, 'h2', 'nothing'), await newHost(t, 'h3')]
  const { run, json } = await startBank(t, ['alice', 'bob', 'carol'], [first, silent, lost])
  for (const account of ['alice', 'bob', 'carol']) await json('call', account, 'withdraw', '1')
  t.is((await run('node', 'hold', 'carol')).code, 0)
  t.is((await run('rollout', 'rewind', '--yes')).code, 0)
  await until(
    async () => (await json('node', 'ls')).filter(({ version }: { version: number }) => version === 2).length === 3,
    'all but carol',
  )
  const coming = await run('rollout', 'rewound')
  t.is(coming.code, 0, coming.stderr)
  t.regex(coming.stderr, /^not back yet, so not in this report: carol$/m)
  t.regex(
    coming.stderr,
    /^back, with no report: bob: they had no whole recording, or "observedState" of their host is 'nothing'$/m,
  )
  t.regex(coming.stdout, /^1 node replayed 1 operation; 0 did not end as before$/m)
  await lost.stop()
  const away = await run('rollout', 'rewound', '-o', 'json')
  t.is(away.code, 5, away.stderr)
  t.like(JSON.parse(away.stdout), { coming: ['carol'], untold: ['bob'], unheard: ['h3'] })
  t.regex(away.stderr, /^no answer: host h3: its part of the report is missing$/m)
})
