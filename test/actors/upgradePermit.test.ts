/**
 * A node's permit under its service's limit: claimed before it drains, given back when it serves,
 * and never kept by nobody.
 */
import 'reflect-metadata'
import test from 'ava'
import { unknownLeaseMs } from '../../core/control/standing.js'
import { holdersOf, Starting, statusOf, upgradingNode } from '../contracts/databaseContract.js'
import { gate } from '../support/testSystem.js'
import { one, open, turns } from './claiming.js'

test('a permit that was claimed is given back when the node serves, and not before its upgrade is over', async (t) => {
  const { clock, permit, holders } = await open()
  const mine = permit()
  t.deepEqual(await mine.claim(1, false, one), { claimed: true })
  t.deepEqual(await holders(), ['n1'])
  // The node serves while it is on its way to drain.
  mine.release()
  await turns(clock)
  t.deepEqual(await holders(), ['n1'])
  mine.unreserve()
  mine.release()
  await turns(clock)
  t.deepEqual(await holders(), [])
})

test('a claim that was refused reserves nothing, and the next one can be granted', async (t) => {
  const { clock, permit, holders, database } = await open()
  await database.claimPermit('pages', upgradingNode('other'), one)
  const mine = permit()
  t.deepEqual(holdersOf(await mine.claim(1, false, one)), ['other'])
  await database.releasePermit('pages', 'other')
  t.deepEqual(await mine.claim(1, false, one), { claimed: true })
  mine.unreserve()
  mine.release()
  await turns(clock)
  t.deepEqual(await holders(), [])
})

test('a node that comes back may have a permit from before: it is given back', async (t) => {
  const { clock, permit, holders, database } = await open()
  await database.claimPermit('pages', upgradingNode('n1'), one)
  permit('unknown').release()
  await turns(clock)
  t.deepEqual(await holders(), [])
})

test('a node that is new, or has given its permit back, asks for nothing', async (t) => {
  const { clock, permit, waits } = await open()
  waits.release = gate()
  const mine = permit()
  mine.release()
  await turns(clock)
  t.is(waits.release.waiting, 0)
  waits.release = undefined
  await mine.claim(1, false, one)
  mine.unreserve()
  mine.release()
  await turns(clock)
  waits.release = gate()
  mine.release()
  await turns(clock)
  t.is(waits.release.waiting, 0)
})

test('a claim whose answer is lost may have been granted: the permit is given back when the node serves', async (t) => {
  const { clock, permit, holders, waits } = await open()
  const mine = permit()
  waits.claimed = gate()
  const claim = mine.claim(1, false, one)
  await turns(clock)
  waits.claimed.fail(new Error('connection lost'))
  await t.throwsAsync(claim, { message: 'connection lost' })
  t.deepEqual(await holders(), ['n1'])
  mine.release()
  await turns(clock)
  t.deepEqual(await holders(), [])
})

test('a release is tried until the database takes it, unless the node has claimed again or has stopped', async (t) => {
  const { clock, factory, permit, holders } = await open()
  const mine = permit()
  await mine.claim(1, false, one)
  mine.unreserve()
  factory.away(true)
  mine.release()
  await turns(clock, 250)
  factory.away(false)
  t.deepEqual(await holders(), ['n1'])
  await turns(clock, 200)
  t.deepEqual(await holders(), [])
  // Claimed again: the release from before is dropped.
  await mine.claim(1, false, one)
  mine.unreserve()
  factory.away(true)
  mine.release()
  await turns(clock)
  factory.away(false)
  await mine.claim(2, false, one)
  await turns(clock, 1_000)
  t.deepEqual(await holders(), ['n1'])
  // Stopped: the next start gives it back.
  mine.unreserve()
  factory.away(true)
  mine.release()
  await turns(clock)
  mine.stop()
  factory.away(false)
  await turns(clock, 1_000)
  t.deepEqual(await holders(), ['n1'])
})

test('a release on its way takes nothing back that is claimed after it', async (t) => {
  const { clock, permit, holders, waits } = await open()
  const mine = permit()
  await mine.claim(1, false, one)
  mine.unreserve()
  waits.release = gate()
  mine.release()
  await turns(clock)
  t.is(waits.release.waiting, 1)
  const claim = mine.claim(2, false, one)
  await turns(clock)
  waits.release.open()
  t.deepEqual(await claim, { claimed: true })
  await turns(clock)
  t.deepEqual(await holders(), ['n1'])
})

test('of two claims the second waits for the first', async (t) => {
  const { clock, permit, waits } = await open()
  const mine = permit()
  waits.claim = gate()
  const claims = [mine.claim(1, false, one), mine.claim(2, false, one)]
  await turns(clock)
  t.is(waits.claim.waiting, 1)
  waits.claim.open()
  t.deepEqual(await Promise.all(claims), [{ claimed: true }, { claimed: true }])
})

test('the pause between two tries to release doubles', async (t) => {
  const { clock, factory, permit, asked } = await open({ backoffMsMax: 400 })
  const mine = permit()
  await mine.claim(1, false, one)
  mine.unreserve()
  factory.away(true)
  const tries = () => asked.filter((name) => name === 'releasePermit').length
  mine.release()
  await turns(clock)
  t.is(tries(), 1)
  for (const pauseMs of [100, 200, 400, 400]) {
    const before = tries()
    await turns(clock, pauseMs - 1)
    t.is(tries(), before)
    await turns(clock, 1)
    t.is(tries(), before + 1)
  }
})

test('a start whose node a newer one has gets no permit for it, and gives none back', async (t) => {
  const { clock, permit, database, holders } = await open()
  const [older, newer] = [new Starting('older', 'dir', 5_000), new Starting('newer', 'dir', 1_000)]
  const mine = permit('free', { now: older })
  await database.register(statusOf('n1', { directoryId: 'dir' }), 60_000, older)
  t.deepEqual(await mine.claim(1, false, one), { claimed: true })
  await database.register(statusOf('n1', { directoryId: 'dir' }), 60_000, newer)
  mine.unreserve()
  mine.release()
  await turns(clock)
  t.deepEqual(await holders(), ['n1'])
  t.deepEqual(await mine.claim(1, false, one), { claimed: false, isElsewhere: true })
  t.deepEqual(await permit('free', { now: newer }).claim(1, false, one), { claimed: true })
})

test('a node that has stopped releases nothing any more: its next start may hold the permit', async (t) => {
  const { clock, permit, waits, asked } = await open()
  const mine = permit('unknown')
  waits.release = gate()
  mine.release()
  mine.release()
  await turns(clock)
  mine.stop()
  waits.release.open()
  await turns(clock)
  t.deepEqual(asked, ['releasePermit'])
})

// --- A database that has lost something

/** The database loses all it has, and gives nothing to anybody until it has heard of all nodes again. */
async function losing(options: Parameters<typeof open>[0] = {}) {
  const opened = await open(options)
  return {
    ...opened,
    lose: async () => {
      opened.factory.empty()
      await opened.database.doubt(new Starting('s1', 'd1'))
    },
    /** When the probation is over. */
    holds: async () => {
      opened.clock.advance(unknownLeaseMs)
      return (await opened.database.claimPermit('pages', upgradingNode('n1'), { nodes: 0 })).claimed
    },
  }
}

test('a permit that the database has lost is restored for the upgrade that holds it', async (t) => {
  const { clock, permit, lose, holds } = await losing()
  const mine = permit()
  await mine.claim(1, false, one)
  await lose()
  mine.tellAgain()
  await turns(clock)
  t.true(await holds())
})

test('a node that was refused a permit since it gave its own back gives it back again to a database that may have it from before', async (t) => {
  const { clock, database, permit, asked } = await losing()
  await database.claimPermit('pages', upgradingNode('other'), one)
  const mine = permit()
  await mine.claim(1, false, one)
  mine.tellAgain()
  await turns(clock)
  t.deepEqual(asked, ['claimPermit', 'releasePermit'])
})

test('a node that is refused a permit while the database loses something gives back what that may have from before', async (t) => {
  const { clock, database, permit, asked, waits } = await losing()
  await database.claimPermit('pages', upgradingNode('other'), one)
  const mine = permit()
  waits.claim = gate()
  const claiming = mine.claim(1, false, one)
  await turns(clock)
  mine.tellAgain()
  waits.claim.open()
  await claiming
  await turns(clock)
  t.deepEqual(asked, ['claimPermit', 'releasePermit'])
})

test('a doubt is over once it is settled: the next refusal gives nothing back', async (t) => {
  const { clock, database, permit, asked, waits } = await losing()
  await database.claimPermit('pages', upgradingNode('other'), one)
  const mine = permit()
  const claiming = async (isDoubted: boolean) => {
    waits.claim = gate()
    const claim = mine.claim(1, false, one)
    await turns(clock)
    if (isDoubted) mine.tellAgain()
    waits.claim.open()
    await claim
    await turns(clock)
    return asked.splice(0)
  }
  t.deepEqual(await claiming(true), ['claimPermit', 'releasePermit'])
  t.deepEqual(await claiming(false), ['claimPermit'])
  // One that holds its permit has no doubt of it.
  await database.releasePermit('pages', 'other')
  await claiming(false)
  mine.tellAgain()
  await turns(clock)
  mine.unreserve()
  mine.release()
  await turns(clock)
  t.deepEqual(asked.splice(0), ['restorePermit', 'releasePermit'])
  await database.claimPermit('pages', upgradingNode('other'), one)
  t.deepEqual(await claiming(false), ['claimPermit'])
})

test('what is given back because of a doubt takes the place of tries from before, and its own pauses begin short', async (t) => {
  const { clock, database, factory, permit, asked, waits } = await losing({ backoffMsMax: 400 })
  await database.claimPermit('pages', upgradingNode('other'), one)
  const mine = permit()
  const releases = () => asked.splice(0).filter((name) => name === 'releasePermit').length
  // The first: by a database that is away when it is told of.
  factory.away(true)
  mine.tellAgain()
  await turns(clock)
  t.is(releases(), 1)
  await turns(clock, 99)
  t.is(releases(), 0)
  await turns(clock, 1)
  t.is(releases(), 1)
  factory.away(false)
  // The second: by one that loses something while it refuses. The try from before is due in 200 ms.
  waits.claim = gate()
  const claim = mine.claim(1, false, one)
  await turns(clock)
  mine.tellAgain()
  waits.claim.open()
  waits.release = gate()
  await claim
  await turns(clock)
  t.is(releases(), 1)
  waits.release.fail(new Error('connection lost'))
  await turns(clock, 99)
  t.is(releases(), 0)
  delete waits.release
  await turns(clock, 1)
  t.is(releases(), 1)
  await turns(clock, 1_000)
  t.is(releases(), 0)
})

test('a permit that is claimed on the way of a loss is restored as soon as it is known to be granted', async (t) => {
  const { clock, permit, lose, holds, waits, asked } = await losing()
  const mine = permit()
  waits.claimed = gate()
  const claiming = mine.claim(1, false, one)
  await turns(clock)
  // The answer is of before the loss, and comes after it has been heard of.
  await lose()
  mine.tellAgain()
  await turns(clock)
  t.deepEqual(asked.splice(0), ['claimPermit'])
  waits.claimed.open()
  t.deepEqual(await claiming, { claimed: true })
  await turns(clock)
  t.deepEqual(asked, ['restorePermit'])
  t.true(await holds())
})

test('a permit whose node serves meanwhile is not restored', async (t) => {
  const { clock, permit, lose, holds, asked } = await losing()
  const mine = permit()
  await mine.claim(1, false, one)
  await lose()
  mine.tellAgain()
  mine.unreserve()
  mine.release()
  await turns(clock)
  t.deepEqual(asked, ['claimPermit', 'releasePermit'])
  t.false(await holds())
})

test('a permit whose upgrade has failed is restored as long as its node does not serve', async (t) => {
  const { clock, permit, lose, holds, asked } = await losing()
  const mine = permit()
  await mine.claim(1, false, one)
  mine.unreserve()
  await lose()
  mine.tellAgain()
  await turns(clock)
  t.deepEqual(asked, ['claimPermit', 'restorePermit'])
  t.true(await holds())
})

test('a node that comes back away has its permit restored; of one that comes back and serves nothing is known', async (t) => {
  for (const [state, isRestored] of [
    ['held', true],
    ['unknown', false],
  ] as const) {
    const { clock, permit, lose, holds, asked } = await losing()
    await lose()
    permit(state).tellAgain()
    await turns(clock)
    t.deepEqual(asked, isRestored ? ['restorePermit'] : [])
    t.is(await holds(), isRestored)
  }
})

test('a node that comes back away, and serves, gives its permit back', async (t) => {
  const { clock, database, permit, holders } = await losing()
  await database.claimPermit('pages', upgradingNode('n1'), one)
  permit('held').release()
  await turns(clock)
  t.deepEqual(await holders(), [])
})

test('a permit that can not be restored holds nothing up, and is given back after the try', async (t) => {
  const { clock, permit, waits, asked, holders } = await losing()
  const mine = permit()
  await mine.claim(1, false, one)
  waits.restore = gate()
  mine.tellAgain()
  await turns(clock)
  mine.unreserve()
  mine.release()
  await turns(clock)
  t.deepEqual(asked, ['claimPermit', 'restorePermit'])
  waits.restore.fail(new Error('connection lost'))
  delete waits.restore
  await turns(clock)
  t.deepEqual(asked, ['claimPermit', 'restorePermit', 'releasePermit'])
  t.deepEqual(await holders(), [])
  await turns(clock, 1_000)
  t.is(asked.length, 3)
})

test('a permit is restored as soon as the database answers, unless the node has stopped', async (t) => {
  const { clock, factory, permit, lose, holds, asked } = await losing({ backoffMsMax: 400 })
  const mine = permit('held')
  await lose()
  factory.away(true)
  mine.tellAgain()
  await turns(clock, 100)
  await turns(clock, 199)
  t.is(asked.length, 2)
  factory.away(false)
  await turns(clock, 1)
  await turns(clock, 10_000)
  t.deepEqual(asked, ['restorePermit', 'restorePermit', 'restorePermit'])
  t.true(await holds())
  factory.away(true)
  mine.tellAgain()
  await turns(clock)
  mine.stop()
  factory.away(false)
  await turns(clock, 1_000)
  t.is(asked.filter((name) => name === 'restorePermit').length, 4)
})

test('a node that has given its permit back gives it back again to a database that may have it from before', async (t) => {
  const { clock, factory, permit, holders } = await losing()
  const mine = permit()
  await mine.claim(1, false, one)
  const backup = factory.backup()
  mine.unreserve()
  mine.release()
  await turns(clock)
  factory.restore(backup)
  t.deepEqual(await holders(), ['n1'])
  factory.away(true)
  mine.tellAgain()
  await turns(clock)
  factory.away(false)
  await turns(clock, 100)
  t.deepEqual(await holders(), [])
})
