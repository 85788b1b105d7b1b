/**
 * A system whose upgrade servers are of an older release. They pass over the fields of a rewind, and install
 * it as an undo; its hosts rewind.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { createHost, type startUpgradeServer } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { AccountV1 } from '../../samples/08-rewind/account.js'
import { until } from '../support/eventually.js'
import { fixtureReleases } from '../support/releaseFixture.js'
import { startNatsServer, startRedisServer } from '../support/servers.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))

for (const release of fixtureReleases())
  test(`an upgrade server of release ${release} installs an upgrade that records, and its rewind, and hosts of this one carry it out`, async (t) => {
    const [natsServer, redisServer] = await Promise.all([startNatsServer(), startRedisServer()])
    t.teardown(() => Promise.all([natsServer.stop(), redisServer.stop()]))
    // Where its dependencies are found.
    const directory = mkdtempSync(join(root, 'node_modules', `.release-${release}-`))
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    execFileSync('tar', ['-xzf', join(root, 'test/fixtures/releases', release, 'theseus.tgz'), '-C', directory])
    const old = async (path: string) => import(join(directory, 'package/dist', path))
    const entry: { startUpgradeServer: typeof startUpgradeServer } = await old('index.js')
    const [{ nats: oldNats }, { redis: oldRedis }] = await Promise.all([
      old('transports/nats/index.js'),
      old('transports/redis/index.js'),
    ])
    const server = await entry.startUpgradeServer({
      ...{ system: 'bank', transport: oldNats({ servers: natsServer.url }), udb: oldRedis(redisServer.url) },
    })
    t.teardown(() => server.stop())
    const ways = { system: 'bank', transport: nats({ servers: natsServer.url }), udb: redis(redisServer.url) }
    const host = await createHost({ ...ways, hostId: 'h1', state: memoryStore(), bundles: join(directory, 'bundles') })
    t.teardown(() => host.stop())
    const node = await host.node(AccountV1, 'alice')
    const alice = host.ref(AccountV1, 'alice', { version: 0 })
    await alice.deposit(1000)
    t.is(await host.publish(await buildUpgrade(new URL('../../samples/08-rewind/upgrades/1-euros.js', import.meta.url))), 1)
    await node.reached(1)
    await alice.withdraw(1)
    t.is(await alice.balance(), 1099)
    const row = async () => (await host.operator.database.nodes()).find(({ nodeId }) => nodeId === 'alice')
    await until(async () => 'untilMs' in ((await row())?.rewind ?? {}), 'its row says until when')
    t.is(await host.operator.undo({ rewind: true }), 2)
    await node.reached(2)
    t.deepEqual([node.className, await alice.balance()], ['Account.v1', 999])
  })
