/**
 * Redis as it is run, under load: a primary that Sentinels watch, or that of a cluster's slot, dies with its
 * last second. A replica takes its place, and the dead one comes back as a replica.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { createHost, type Operator, type RunningHost, startUpgradeServer } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { storedBundle } from '../../core/upgrade/bundleParts.js'
import { LoadClient } from '../../natsctl/demo/load.js'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import { until } from '../support/eventually.js'
import { asked, type RedisFleet, startRedisCluster, startSentinelFleet } from '../support/redisFleets.js'
import { refusalOf } from '../support/rejections.js'
import { startNatsServer, type TestServer } from '../support/servers.js'
import { pagesOf } from './liveSystem.js'

const test = anyTest.serial as TestFn<{ nats: TestServer }>
const comments = new URL('../../samples/02-pages-comments/upgrades/1-comments.js', import.meta.url)
const settings = { leaseMs: 1500, askServerMs: 500, controlsMs: 300 }
const hostNames = ['h1', 'h2', 'desk'] as const

test.before(async (t) => {
  t.context.nats = await startNatsServer()
})

test.after.always(async (t) => {
  await t.context.nats?.stop()
})

const fleets = {
  sentinel: () => startSentinelFleet(),
  cluster: () => startRedisCluster({ primaries: 3, replicas: 1 }),
} as const satisfies Record<string, () => Promise<RedisFleet>>

for (const [kind, startFleet] of Object.entries(fleets)) {
  test(`${kind}: a fail-over that loses the last second under load: no call fails, orders stay, and what no replica had was refused`, async (t) => {
    const fleet = await startFleet()
    t.teardown(() => fleet.stop())
    const system = `failover-${kind}-${process.pid}`
    const { desk, load } = await startSystem(t, fleet.url, system)
    const { operator } = desk
    const versions = () => versionsIn(operator)
    const primary = await fleet.primaryOf(system)

    const { epoch } = (await operator.database.standing())!
    await operator.pause(1, 'wait for the night')
    t.is(await desk.publish(await buildUpgrade(comments)), 1)
    await cutReplicas(primary)
    const unkept = await refusalOf(t, operator.hold('p1', 'nobody else knows'))
    t.is(unkept.code, 'timeout.deadline')
    t.regex(
      unkept.message,
      /is carried out, but 0 of 1 replicas of Redis at .* have it after 1000 ms: a fail-over now would lose it/,
    )
    const refused = await refusalOf(t, operator.undo())
    t.is(refused.code, 'upgrade.unreplicated')
    t.regex(refused.message, /version 2 is not installed: of its bundle, 0 of 1 replicas of Redis at/)
    primary.kill()

    await until(async () => ((await operator.database.standing().catch(() => null)) ?? null) !== null, 'another one answers')
    // The one that was killed may have answered last.
    await until(async () => (await fleet.primaryOf(system)) !== primary, 'another one is the primary')
    t.not((await operator.database.standing())!.probation?.doubt ?? 'lost', 'silent')
    await until(async () => (await operator.database.standing())?.probation === null, 'probation is over')
    t.not((await operator.database.standing())!.epoch, epoch, 'each fail-over is a loss')
    t.deepEqual(
      (await operator.database.controls()).map(({ kind: control }) => control),
      ['pause'],
    )
    t.is((await operator.database.head()).version, 1)
    t.deepEqual(await versions(), [0, 0])
    await primary.restart()
    t.true(await operator.resume(1))
    await until(async () => (await versions()).every((version) => version === 1), 'all nodes at version 1')

    await load.stop()
    t.true(load.tally.calls > 100, `${load.tally.calls} calls`)
    t.deepEqual([[...load.tally.failures], load.tally.contradictions], [[], []])
  })
}

test('hosts give back a version that nodes run and that a fail-over has lost', async (t) => {
  const fleet = await fleets.cluster()
  t.teardown(() => fleet.stop())
  const system = `lost-${process.pid}`
  const { desk, load } = await startSystem(t, `${fleet.url}?waitReplicas=0`, system)
  const { operator } = desk
  const primary = await fleet.primaryOf(system)

  await cutReplicas(primary)
  t.is(await desk.publish(await buildUpgrade(comments)), 1)
  await until(async () => (await versionsIn(operator)).every((version) => version === 1), 'all nodes at version 1')
  primary.kill()

  await until(async () => (await operator.database.head().catch(() => ({ version: 0 }))).version === 1, 'version 1 is given back')
  t.not(await fleet.primaryOf(system), primary)
  const { bundle } = (await operator.history())[0]!
  await until(
    async () => (await storedBundle(operator.database, bundle.digest, bundle.bytes)).state === 'whole',
    'its bundle, too',
  )
  await until(async () => (await operator.database.standing())?.probation === null, 'probation is over')
  t.deepEqual(await versionsIn(operator), [1, 1])

  await load.stop()
  t.deepEqual([[...load.tally.failures], load.tally.contradictions], [[], []])
})

async function versionsIn({ database }: Operator): Promise<readonly number[]> {
  return (await database.nodes('pages')).map(({ version }) => version)
}

/** An upgrade server, two hosts with a node each, and a client under load. */
async function startSystem(t: ExecutionContext<{ nats: TestServer }>, udb: string, system: string) {
  const directory = await mkdtemp(join(tmpdir(), 'theseus-failover-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const ways = () => ({ system, transport: nats(t.context.nats.url), udb: redis(udb) })
  const server = await startUpgradeServer(ways())
  t.teardown(() => server.stop())
  const hosts: RunningHost[] = []
  for (const name of hostNames) {
    const host = await createHost({
      ...{ ...ways(), hostId: name, settings, state: memoryStore(), bundles: join(directory, name) },
    })
    t.teardown(() => host.stop())
    hosts.push(host)
  }
  await hosts[0]!.node(PagesV1, 'p1')
  await hosts[1]!.node(PagesV1, 'p2')
  const desk = hosts[2]!
  const load = new LoadClient(pagesOf(desk, 0), { name: 'load', nodes: ['p1', 'p2'], pagesPerNode: 2, pauseMs: 5 })
  t.teardown(() => load.stop())
  load.start()
  return { desk, load }
}

/** Nothing that is written from now on reaches a replica; those who are connected go on. */
async function cutReplicas({ port }: TestServer): Promise<void> {
  await asked(port, async (client) => {
    await client.call('CONFIG', 'SET', 'requirepass', 'nobody-knows')
    await client.call('CLIENT', 'KILL', 'TYPE', 'replica')
  })
}
