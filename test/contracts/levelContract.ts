/**
 * The part of the contract of `UpgradeDatabase` that is about formats: T1 and T3 of core/base/level.ts.
 */
import test from 'ava'
import { firstLevel, newestLevel, type Software } from '../../core/base/level.js'
import type { AskedOfReaders, StoredLevel, UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { serverKeptMs } from '../../transports/udbFactory.js'
import { type DatabaseUnderTest, manifestOf, newSystem, nothingInstalled, Starting, statusOf } from './databaseContract.js'

const leaseMs = 60_000
const next: Software = { release: '9.9.9', reads: { ...newestLevel, envelope: 9 }, since: 1 }
const now: Software = { release: '0.2.0', reads: newestLevel, since: 2 }
const level: StoredLevel = { release: '9.9.9', numbers: { envelope: 9, manifest: 3 } }
const raising: AskedOfReaders = { reads: level.numbers, level, isTaught: false }

export function levelContract(adapter: string, make: () => DatabaseUnderTest): void {
  const of = (title: string) => `${adapter}: ${title}`
  const { digest, manifest } = manifestOf('raises the level')
  const raise = (database: UpgradeDatabase, asked: AskedOfReaders = raising) =>
    database.install(nothingInstalled, digest, manifest, {}, null, null, null, asked)

  test(of('a row keeps the release of its host and the formats that it reads'), async (t) => {
    const database = await make().open(newSystem())
    await database.register(statusOf('n1', { software: now }), leaseMs, new Starting('a', 'dir-n1'))
    await database.register(statusOf('n2'), leaseMs)
    t.deepEqual(
      (await database.nodes()).map(({ software }) => software),
      [now, undefined],
    )
    await database.report([statusOf('n1', { software: next })], leaseMs, new Starting('a', 'dir-n1'))
    t.deepEqual((await database.nodes())[0]!.software, next)
    await database.close()
  })

  test(of('an upgrade server is known while it is heard'), async (t) => {
    const world = make()
    const database = await world.open(newSystem())
    t.deepEqual(await database.servers(), [])
    const server = (id: string, software?: Software) =>
      database.attend({
        id,
        hostId: 'upgrade-server',
        directoryId: null,
        ageMs: 0,
        stampMs: 0,
        epoch: null,
        ...(software && { software }),
      })
    await server('s2', now)
    await server('s1', next)
    await server('s3')
    t.deepEqual(await database.servers(), [
      { id: 's1', software: next },
      { id: 's2', software: now },
    ])
    await world.elapse(serverKeptMs / 2)
    await server('s2', now)
    await world.elapse(serverKeptMs / 2 + 1)
    t.deepEqual(await database.servers(), [{ id: 's2', software: now }])
    await database.close()
  })

  test(of('the level is stored with the version that raises it, if everybody registered reads it'), async (t) => {
    const database = await make().open(newSystem())
    t.is(await database.level(), null)
    await database.register(statusOf('n1', { software: next }), leaseMs, new Starting('a', 'dir-n1'))
    t.true(await raise(database))
    t.deepEqual(await database.level(), level)
    t.is((await database.head()).version, 1)
    await database.close()
  })

  for (const [who, register] of Object.entries<(database: UpgradeDatabase) => Promise<unknown>>({
    'a host of release 0.1.0': (database) => database.register(statusOf('n1'), leaseMs),
    'a host of an older release': (database) => database.register(statusOf('n1', { software: now }), leaseMs),
    'a client': (database) => database.register(statusOf('c1', { service: 'client', directoryId: null, software: now }), leaseMs),
    'an upgrade server': (database) =>
      database.attend({ id: 's', hostId: 'upgrade-server', directoryId: null, ageMs: 0, stampMs: 0, epoch: null, software: now }),
  }))
    test(of(`nothing is installed that ${who} does not read`), async (t) => {
      const database = await make().open(newSystem())
      await database.register(statusOf('n0', { software: next }), leaseMs)
      await register(database)
      t.false(await raise(database))
      t.deepEqual([await database.head(), await database.level()], [nothingInstalled, null])
      // A format that is asked for alone.
      t.false(await raise(database, { reads: { envelope: 9 }, level: null, isTaught: false }))
      t.true(await raise(database, { reads: { envelope: 1 }, level: null, isTaught: false }))
      t.is(await database.level(), null)
      await database.close()
    })

  test(of('a node whose host is down counts, and a client no longer than its lease'), async (t) => {
    const world = make()
    const database = await world.open(newSystem())
    await database.register(statusOf('c1', { service: 'client', directoryId: null }), leaseMs)
    await database.register(statusOf('n1'), leaseMs)
    await database.attend(new Starting('server', null))
    await world.elapse(leaseMs + 1)
    // After a silence leases begin anew.
    await database.attend(new Starting('server', null))
    await world.elapse(leaseMs / 3)
    await database.attend(new Starting('server', null))
    t.false(await raise(database))
    await database.forget('n1')
    await world.elapse(leaseMs + 1)
    await database.attend(new Starting('server', null))
    await world.elapse(leaseMs / 3)
    await database.attend(new Starting('server', null))
    await world.elapse(leaseMs / 3)
    await database.attend(new Starting('server', null))
    await world.elapse(leaseMs / 3 + 1)
    await database.attend(new Starting('server', null))
    t.true(await raise(database))
    await database.close()
  })

  test(of('a start that does not read the level is not registered, and hears which release does'), async (t) => {
    const database = await make().open(newSystem())
    t.true(await raise(database))
    for (const software of [undefined, now]) {
      const status = statusOf('n1', software === undefined ? {} : { software })
      const answer = await database.register(status, leaseMs, new Starting('a', 'dir-n1'))
      t.false(answer.registered)
      t.deepEqual('level' in answer ? answer.level : undefined, level)
    }
    t.deepEqual(await database.nodes(), [])
    t.true((await database.register(statusOf('n1', { software: next }), leaseMs, new Starting('a', 'dir-n1'))).registered)
    await database.close()
  })

  test(of('the level is given back from the history, and never lowered'), async (t) => {
    const database = await make().open(newSystem())
    await database.restoreLevel({ release: '0.2.0', numbers: { envelope: 2, manifest: 3 } })
    t.deepEqual(await database.level(), { release: '0.2.0', numbers: { envelope: 2, manifest: 3 } })
    await database.restoreLevel({ release: '0.1.0', numbers: { envelope: 1, manifest: 3 } })
    t.deepEqual(await database.level(), { release: '0.2.0', numbers: { envelope: 2, manifest: 3 } })
    await database.restoreLevel({ release: '0.3.0', numbers: { envelope: 1, manifest: 4, shard: 1 } })
    t.deepEqual(await database.level(), { release: '0.3.0', numbers: { envelope: 2, manifest: 4, shard: 1 } })
    // A host teaches a version that raised it: nobody is asked again.
    await database.register(
      statusOf('n1', { software: { ...now, reads: { ...firstLevel, envelope: 2, manifest: 4, shard: 1 } } }),
      leaseMs,
    )
    t.true(await raise(database, { reads: {}, level, isTaught: true }))
    t.deepEqual(await database.level(), { release: '9.9.9', numbers: { envelope: 9, manifest: 4, shard: 1 } })
    await database.close()
  })

  test(of('a level that no history says goes, unless another one is stored by then'), async (t) => {
    const database = await make().open(newSystem())
    const wrong = { release: '9.9.9', numbers: { envelope: 9, shard: 7 } }
    const right = { release: '0.2.0', numbers: { envelope: 2, manifest: 3 } }
    await database.restoreLevel(right, wrong)
    await database.restoreLevel(wrong)
    const both = { release: '9.9.9', numbers: { envelope: 9, manifest: 3, shard: 7 } }
    t.deepEqual(await database.level(), both)
    await database.restoreLevel(right, wrong)
    t.deepEqual(await database.level(), both, 'it is not the one that was found wrong')
    await database.restoreLevel(right, both)
    t.deepEqual(await database.level(), right)
    await database.close()
  })
}
