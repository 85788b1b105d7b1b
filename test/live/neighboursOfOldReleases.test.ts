/**
 * A neighbour whose upgrade servers are of an older release: they count the pin of a system before a version
 * dies there, for every release does so with a row of a client that has a directory (N2).
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { redis } from 'theseus-actors/redis'
import { SystemPin } from '../../actors/neighbours/systemPin.js'
import { softwareSince } from '../../core/base/level.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { systemClock } from '../../transports/systemClock.js'
import { statusOf } from '../contracts/databaseContract.js'
import { fixtureReleases } from '../support/releaseFixture.js'
import { startRedisServer } from '../support/servers.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))

for (const release of fixtureReleases())
  test(`an upgrade server of release ${release} lets no version die that the pin of a neighbour names, and shows it as a client`, async (t) => {
    const server = await startRedisServer()
    t.teardown(() => server.stop())
    // Where its dependencies are found.
    const directory = mkdtempSync(join(root, 'node_modules', `.release-${release}-`))
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    execFileSync('tar', ['-xzf', join(root, 'test/fixtures/releases', release, 'theseus.tgz'), '-C', directory])
    const old = (await import(join(directory, 'package/dist/transports/redis/index.js'))) as { redis: typeof redis }
    const before: UpgradeDatabase = await old.redis(server.url).open('warehouse', systemClock)
    t.teardown(() => before.close())
    const now = await redis(server.url).open('warehouse', systemClock)
    t.teardown(() => now.close())

    await before.register(statusOf('stock1', { version: 3 }), 60_000)
    const software = softwareSince(1)
    const pin = new SystemPin({
      system: 'shop',
      neighbour: 'warehouse',
      database: now,
      clock: systemClock,
      by: 's1',
      software: () => software,
    })
    await pin.set(1)
    t.like(
      (await before.nodes('client')).find(({ nodeId }) => nodeId === 'neighbour-shop'),
      { version: 1, className: 'Neighbour', alive: true },
    )
    t.is((await before.declareDead(2, 0)).below, 0)
    t.is((await before.declareDead(1, 0)).below, 1)
    await pin.set(3)
    t.is((await before.declareDead(3, 0)).below, 3)
    await before.forget('neighbour-shop')
    t.is(await pin.read(), undefined)
  })
