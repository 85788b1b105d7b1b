/** `natsctl system level` and `natsctl host ls`, against real systems. */
import test from 'ava'
import { newKey } from 'theseus-actors/nkeys'
import { formats, release } from '../../core/base/formats.js'
import { firstLevel, newestLevel } from '../../core/base/level.js'
import { statusOf } from '../contracts/databaseContract.js'
import { until } from '../support/eventually.js'
import { runnerOf, startPages, startTrusting, systemsOf } from './natsctlSystem.js'

const systems = systemsOf('level')

test('the level is shown with those who would be left behind, raised on purpose, and can not be undone', async (t) => {
  const at = systems()
  const { host } = await startPages(t, at, ['p1'])
  const { database } = host.operator
  await database.register(statusOf('old', { hostId: 'h0' }), 600_000)
  const { run, json } = runnerOf(t, at.env)
  const shown = await json('system', 'level')
  t.deepEqual([shown.level, shown.newest, shown.canBeRaised], [firstLevel, newestLevel, false])
  t.like(shown.behind[0], { role: 'host', id: 'h0', release: '0.1.0', reads: null, nodes: ['old'] })
  const table = await run('system', 'level')
  t.regex(table.stdout, /^envelope +1 +2 +host h0 of release 0\.1\.0 \(old\)$/m)
  t.regex(table.stdout, /^record +2 +2 +-$/m)
  t.regex(table.stderr, /left behind have to run this release/)

  const refused = await run('system', 'level', '--raise', '--yes')
  t.is(refused.code, 1)
  t.regex(
    refused.stderr,
    /envelope 2, .*would not be read by host h0 of release 0\.1\.0 \(old\): they have to run this release first/,
  )
  await database.forget('old')

  t.regex((await run('system', 'level')).stderr, /"natsctl system level --raise" ends the way back/)
  t.regex((await run('system', 'level', '--raise', '--dry-run')).stdout, /^would raise the level of system .* to envelope 2/)
  t.is((await database.head()).version, 0)
  const asked = await run('system', 'level', '--raise', '--no-input')
  t.not(asked.code, 0)
  t.regex(
    (await run('system', 'level', '--raise', '--yes', '--reason', 'all are new')).stdout,
    /^version 1 of system .* raises the level to envelope 2/,
  )
  t.like((await host.operator.history())[0], { format: 3, release, reason: 'all are new' })
  t.deepEqual((await json('system', 'level')).level, newestLevel)
  t.regex((await run('system', 'level')).stderr, /is the newest that this release writes/)
  t.deepEqual(await json('system', 'level', '--raise', '--yes'), { level: newestLevel, version: null })
  const undone = await run('rollout', 'undo', '--yes')
  t.regex(undone.stderr, /raised the level, which is never lowered/)
})

test('the order is signed as an upgrade is', async (t) => {
  const at = systems()
  const [alice, mallory] = [newKey(), newKey()]
  const directory = await startTrusting(t, at, { alice, mallory })
  const { run, json } = runnerOf(t, { ...at.env, THESEUS_TRUST: alice.publicKey }, directory)
  const forged = await run('system', 'level', '--raise', '--yes', '--key', 'mallory.nk')
  t.regex(forged.stderr, /upgrade\.signature/)
  t.is((await json('system', 'level', '--raise', '--yes', '--key', 'alice.nk')).version, 1)
})

test('hosts and upgrade servers are listed with their releases, formats, and since when they run', async (t) => {
  const at = systems()
  const { host } = await startPages(t, at, ['p1', 'p2'])
  await host.operator.database.register(statusOf('old', { hostId: 'h0' }), 600_000)
  await until(async () => (await host.operator.database.servers()).length > 0, 'the server is heard')
  const { run, json } = runnerOf(t, at.env)
  const found = await json('host', 'ls')
  t.is(found.length, 3)
  t.like(
    found.find((each: { host: string }) => each.host === 'h1'),
    { role: 'host', release, reads: newestLevel, nodes: 2, alive: true },
  )
  t.like(
    found.find((each: { host: string }) => each.host === 'h0'),
    { role: 'host', release: '0.1.0', reads: null, since: null, nodes: 1 },
  )
  t.like(
    found.find((each: { role: string }) => each.role === 'server'),
    { release, reads: newestLevel, nodes: 0, alive: true },
  )
  t.true(Date.parse(found.find((each: { host: string }) => each.host === 'h1').since) <= Date.now())
  const { stdout } = await run('host', 'ls')
  t.regex(stdout, new RegExp(`^h1 +host +${release} +\\S+ +2 +yes +envelope ${formats.envelope.newest}, `, 'm'))
  t.regex(stdout, /^h0 +host +0\.1\.0 +- +1 +yes +-$/m)
  t.true((await run('host', 'ls', '-o', 'name')).stdout.includes('host/h1\n'))
})
