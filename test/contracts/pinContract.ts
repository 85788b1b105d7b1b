/**
 * The part of the contract of `UpgradeDatabase` on which the pin of a neighbour rests (N2): a row of a client
 * that has a directory does not expire, counts before a version dies, and is forgotten like any row.
 */
import test, { type ExecutionContext } from 'ava'
import { pinLeaseMs, SystemPin } from '../../actors/neighbours/systemPin.js'
import { firstLevel, newestLevel, type Software, softwareSince } from '../../core/base/level.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { systemClock } from '../../transports/systemClock.js'
import { lapsedKeptMs } from '../../transports/udbFactory.js'
import { type DatabaseUnderTest, manifestOf, newSystem, nothingInstalled, statusOf } from './databaseContract.js'

const leaseMs = 3_600_000

export function pinContract(adapter: string, make: () => DatabaseUnderTest): void {
  const contract = (
    title: string,
    body: (t: ExecutionContext, pin: SystemPin, database: UpgradeDatabase, under: DatabaseUnderTest) => Promise<void>,
  ) => {
    test(`${adapter}: ${title}`, async (t) => {
      const under = make()
      const database = await under.open(newSystem())
      t.teardown(() => database.close())
      await body(t, pinOn(database), database, under)
    })
  }
  const pinOn = (database: UpgradeDatabase, software: Software = softwareSince(1)) =>
    new SystemPin({ system: 'shop', neighbour: 'warehouse', database, clock: systemClock, by: 's1', software: () => software })

  contract('N2: no version dies that a pin names, nor a newer one, and none is final because of it', async (t, pin, database) => {
    await database.register(statusOf('n1', { version: 4 }), leaseMs)
    t.is(await pin.set(2), 'kept')
    t.is((await database.declareDead(3, 0)).below, 0)
    t.is((await database.declareDead(2, 0)).inForce, 2)
    await pin.set(4)
    t.is((await database.declareDead(4, 0)).inForce, 4)
    const { digest, manifest } = manifestOf('first')
    await database.install(nothingInstalled, digest, manifest)
    await pin.set(0)
    t.is(await database.finalize(1), 1)
  })

  contract(
    'N2: a death that is declared is withdrawn where a pin names the version by the time that it is due',
    async (t, pin, database, under) => {
      await database.register(statusOf('n1', { version: 4 }), leaseMs)
      t.is((await database.declareDead(3, 100)).below, 3)
      await pin.set(2)
      await under.elapse(200)
      t.like(await database.dead(), { below: 0, inForce: 0 })
    },
  )

  contract('N2: a pin does not expire', async (t, pin, database, under) => {
    await pin.set(1)
    await under.elapse(pinLeaseMs + lapsedKeptMs + 1)
    t.like((await database.nodes('client'))[0], { nodeId: 'neighbour-shop', version: 1, alive: false, className: 'Neighbour' })
    t.is(await pin.read(), 1)
    t.is(await pin.renew(5), 'kept')
    t.like((await database.nodes('client'))[0], { version: 1, alive: true })
  })

  contract(
    'N2: a pin that is forgotten comes back only where it is claimed; one that is lost comes back at once',
    async (t, pin, database, under) => {
      await pin.set(1)
      await database.forget('neighbour-shop')
      t.deepEqual([await pin.set(1), await pin.renew(1), await pin.atMost(1)], ['forgotten', 'forgotten', 'forgotten'])
      t.is(await pin.read(), undefined)
      await pin.claim(3)
      t.is(await pin.read(), 3)
      t.is(await pin.set(2), 'kept')
      t.is(await pin.read(), 2)
      await under.empty()
      t.is(await pin.renew(2), 'kept')
      t.is(await pin.read(), 2)
    },
  )

  contract('a pin that is to be as old as this is not made newer', async (t, pin) => {
    t.is(await pin.atMost(3), 'kept')
    await pin.atMost(5)
    t.is(await pin.read(), 3)
    await pin.atMost(1)
    t.is(await pin.read(), 1)
  })

  contract('a node of the neighbour that has the id of a pin is told of', async (t, pin, database) => {
    await database.register(statusOf('neighbour-shop', { directoryId: 'another' }), leaseMs)
    for (const acting of [() => pin.set(1), () => pin.claim(1)])
      await t.throwsAsync(acting, {
        code: 'config.registered-elsewhere',
        message: /a node of system warehouse has the id neighbour-shop/,
      })
  })

  contract(
    'T3: a system that does not read the level of a neighbour has no pin there, and a level that its pin does not read is not raised',
    async (t, _, database) => {
      const { digest, manifest } = manifestOf('raises the level')
      const numbers = { ...newestLevel, envelope: 9 }
      const raise = () =>
        database.install(nothingInstalled, digest, manifest, {}, null, null, null, {
          ...{ reads: numbers, level: { release: '9.9.9', numbers }, isTaught: false },
        })
      const [old, newer] = [
        { release: '0.1.0', reads: firstLevel, since: 1 },
        { release: '9.9.9', reads: numbers, since: 1 },
      ]
      await pinOn(database, old).set(0)
      t.false(await raise())
      await pinOn(database, newer).set(0)
      t.true(await raise())
      await database.forget('neighbour-shop')
      await t.throwsAsync(pinOn(database, old).claim(0), { code: 'config.release', message: /run release 9\.9\.9 or newer/ })
    },
  )
}
