/** Data and messages of earlier releases are still read: test/fixtures/releases/README.md. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { createHost, type RunningHost, startUpgradeServer } from 'theseus-actors'
import { lmdb } from 'theseus-actors/lmdb'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { signer } from 'theseus-actors/nkeys'
import { redis } from 'theseus-actors/redis'
import { decode } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { until } from '../support/eventually.js'
import {
  copyState,
  fixtureClasses,
  fixtureReleases,
  messagesOf,
  releaseFixture,
  restoreRedis,
} from '../support/releaseFixture.js'
import { startNatsServer, startRedisServer } from '../support/servers.js'

for (const release of fixtureReleases()) {
  test.serial(
    `release ${release}: a host goes on with its state and its database, and ends the rollout that was under way`,
    async (t) => {
      const fixture = releaseFixture(release)
      const { ShelfV1, LedgerV1 } = await fixtureClasses()
      const { host, desk } = await goOn(t, release)
      const { database } = desk.operator
      t.deepEqual(
        (await desk.operator.history()).map(({ version, title, undoes }) => ({ version, title, undoes })),
        fixture.versions,
      )
      t.is((await database.recentDirectives()).length, await database.directives())
      t.is((await database.table('shelf-zones')).get('s2'), 'east')

      for (const nodeId of Object.keys(fixture.written)) {
        const { records } = await host.node(ShelfV1, nodeId)
        // Most of its records are still to be made of the old ones.
        t.is(records !== null, nodeId === 's2')
      }
      await host.node(LedgerV1, 'ledger')
      for (const [nodeId, items] of Object.entries(fixture.written))
        for (const [item, label] of Object.entries(items)) t.is(await ask(desk, nodeId, 0, 'get', item), label)
      // Object and SOs of every kind: future-SOs in a row, those of a version that was undone, past-SOs,
      // records that are still to be made.
      t.deepEqual(await ask(desk, 's0', 1, 'tags', 'item-001'), ['blue'])
      t.deepEqual(await ask(desk, 's0', 2, 'title'), { text: 'shelf s0', language: 'en' })
      t.deepEqual(await ask(desk, 's1', 2, 'title'), { text: 'étagère s1', language: 'fr' })
      t.deepEqual(await ask(desk, 's2', 2, 'title'), { text: 'Regal s2', language: 'de' })
      t.is(await ask(desk, 's4', 3, 'title'), 'shelf s4 again')
      t.is(await ask(desk, 's1', 4, 'priceOf', 'item-002'), 12)
      t.is(await ask(desk, 's2', 4, 'priceOf', 'item-003'), 15)
      t.deepEqual(await ask(desk, 's2', 4, 'tags', 'item-001'), ['blue'])

      // The node that was killed on its way arrives, though the version is paused: it was told to go.
      await untilAt(desk, 4, ['s2', 's3'])
      await desk.operator.resume(4)
      await desk.operator.release('s4')
      await untilAt(desk, 4, ['s1', 's4'])
      t.is((await database.nodes()).find(({ nodeId }) => nodeId === 's0')!.version, 0)
      await desk.operator.release('s0')
      await untilAt(desk, 4, ['s0'])
      t.is(await ask(desk, 's0', 4, 'priceOf', 'item-002'), 12)
      for (const [item, label] of Object.entries(fixture.written.s0!)) t.is(await ask(desk, 's0', 4, 'get', item), label)
    },
  )

  test.serial(`release ${release}: every message that it sent is still read`, (t) => {
    const seen = new Set<number>()
    for (const { subject, hex } of messagesOf(release)) {
      const envelopes = decode(Buffer.from(hex, 'hex'))
      t.true(envelopes.length > 0, subject)
      for (const { kind } of envelopes) seen.add(kind)
    }
    t.deepEqual([...seen].sort(), Object.values(kinds).sort())
  })
}

/**
 * Servers with the release's data, an upgrade server, a host on a copy of its state, and a desk
 * that may give orders.
 */
async function goOn(t: ExecutionContext, release: string): Promise<{ host: RunningHost; desk: RunningHost }> {
  const { system, hostId, trust, upgraderSeed } = releaseFixture(release)
  const directory = await mkdtemp(join(tmpdir(), 'theseus-release-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const [natsServer, redisServer] = await Promise.all([startNatsServer(), startRedisServer()])
  t.teardown(() => Promise.all([natsServer.stop(), redisServer.stop()]))
  await restoreRedis(release, redisServer.url)
  copyState(release, join(directory, 'state'))
  const ways = { system, transport: nats(natsServer.url), udb: redis(redisServer.url), trust }
  const server = await startUpgradeServer(ways)
  t.teardown(() => server.stop())
  const desk = await createHost({
    ...{ ...ways, hostId: 'desk', state: memoryStore(), bundles: join(directory, 'desk') },
    upgrader: signer(upgraderSeed),
  })
  t.teardown(() => desk.stop())
  const state = lmdb(join(directory, 'state'))
  const host = await createHost({ ...ways, hostId, state, bundles: join(directory, 'bundles'), facts: { zone: 'north' } })
  t.teardown(() => host.stop())
  return { host, desk }
}

function ask(desk: RunningHost, node: string, version: number, method: string, ...args: unknown[]): Promise<unknown> {
  return desk.operator.call({ node }, method, args, { version, kind: 'query' })
}

async function untilAt(desk: RunningHost, version: number, nodeIds: readonly string[]): Promise<void> {
  await until(
    async () => {
      const rows = await desk.operator.database.nodes('shelf')
      return nodeIds.every((id) => rows.some((row) => row.nodeId === id && row.version >= version && row.phase === 'current'))
    },
    `${nodeIds.join(', ')} at version ${version}`,
  )
}
