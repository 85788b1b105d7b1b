/**
 * How a node comes to its turn to go forward: a place in the line of its host, then a slot
 * under its service's limit.
 */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { type AdmittedNode, UpgradeAdmission } from '../../actors/upgrade/upgradeAdmission.js'
import { Starting, statusOf, upgradingNode } from '../contracts/databaseContract.js'
import { gate } from '../support/testSystem.js'
import { one, open, turns } from './claiming.js'

async function turning(options: Parameters<typeof open>[0] = {}, by?: { readonly now: Starting }) {
  const opened = await open(options)
  const reasons: string[] = []
  const targets: number[] = []
  let isEnding = false
  const permit = opened.permit('free', by)
  const node: AdmittedNode = {
    services: opened.services,
    recordStore: { record: { service: 'pages' } } as AdmittedNode['recordStore'],
    permit,
    get isEnding() {
      return isEnding
    },
    report(_phase, target, reason) {
      targets.push(target)
      reasons.push(reason)
    },
  }
  const abort = new AbortController()
  const turn = new UpgradeAdmission(node, 1)
  const stop = () => {
    isEnding = true
  }
  const claim = () => {
    const claiming = turn.claim({ limit: one }, abort.signal)
    return claiming
  }
  /** Takes all places but so many in the line of the host. */
  const takePlaces = async (left = 0) => {
    const places = defaultSettings.upgradesAtOnceMax - left
    return Promise.all(
      Array.from({ length: places }, () => opened.services.upgradeQueue.take('pages', new AbortController().signal)),
    )
  }
  const claims = () => opened.asked.filter((name) => name === 'claimPermit').length
  return { ...opened, mine: permit, reasons, targets, abort, turn, stop, claim, claims, takePlaces }
}

test('a claim that is aborted while the database answers it gives the permit back', async (t) => {
  const { clock, waits, claim, abort, holders } = await turning()
  waits.claimed = gate()
  const claiming = claim()
  await turns(clock)
  t.deepEqual(await holders(), ['n1'])
  abort.abort(new Error('undone'))
  waits.claimed.open()
  await t.throwsAsync(claiming, { message: 'undone' })
  await turns(clock)
  t.deepEqual(await holders(), [])
})

test('a claim that is aborted, and whose answer is lost, gives back what it may have', async (t) => {
  const { clock, waits, claim, abort, holders } = await turning()
  waits.claimed = gate()
  const claiming = claim()
  await turns(clock)
  abort.abort(new Error('undone'))
  waits.claimed.fail(new Error('connection lost'))
  await t.throwsAsync(claiming, { message: 'undone' })
  await turns(clock)
  t.deepEqual(await holders(), [])
})

test('a node that is held gives back a permit that it has from before: others have its place in the queue and wait for that', async (t) => {
  const { clock, waits, claim, abort, holders, database, reasons } = await turning()
  waits.claimed = gate()
  const claiming = claim()
  await turns(clock)
  t.deepEqual(await holders(), ['n1'])
  await database.setControl({ kind: 'hold', nodeId: 'n1', reason: 'wait', since: 0 })
  waits.claimed.fail(new Error('connection lost'))
  delete waits.claimed
  for (let i = 0; i < 20 && !reasons.some((reason) => reason.includes('hold')); i++) {
    await turns(clock)
    clock.advance(defaultSettings.backoffMsMax)
  }
  await turns(clock)
  t.deepEqual(await holders(), [])
  abort.abort(new Error('over'))
  await t.throwsAsync(claiming, { message: 'over' })
})

test('a node that stops while it claims leaves the permit as it is: its next start gives it back', async (t) => {
  const { clock, waits, claim, abort, stop, holders } = await turning()
  waits.claimed = gate()
  const claiming = claim()
  await turns(clock)
  stop()
  abort.abort(new Error('stopped'))
  waits.claimed.fail(new Error('connection lost'))
  await t.throwsAsync(claiming, { message: 'stopped' })
  await turns(clock)
  t.deepEqual(await holders(), ['n1'])
})

test('a claim that is aborted leaves the queue of its host to the next', async (t) => {
  const { clock, claim, abort, reasons, takePlaces, database } = await turning()
  await database.claimPermit('pages', upgradingNode('other'), one)
  const claiming = claim()
  await turns(clock)
  abort.abort(new Error('undone'))
  await t.throwsAsync(claiming, { message: 'undone' })
  t.is((await takePlaces()).length, defaultSettings.upgradesAtOnceMax)
  t.is(reasons.length, 1)
})

test('a node that waits says what for, once, and says it again only when that is something else', async (t) => {
  const { clock, claim, reasons, targets, database, factory, holders } = await turning()
  await database.claimPermit('pages', upgradingNode('other'), one)
  const claiming = claim()
  await turns(clock, 60)
  await turns(clock, 60)
  t.deepEqual(reasons, ['waits for a permit under the limit of pages, held by other'])
  factory.away(true)
  await turns(clock, 300)
  await turns(clock, 300)
  t.is(reasons.at(-1), 'waits for the upgrade database, which does not answer')
  t.is(reasons.length, 2)
  factory.away(false)
  await turns(clock, 300)
  t.is(reasons.length, 3)
  await database.setControl({ kind: 'hold', nodeId: 'n1', reason: 'not yet', since: 0 } as never)
  await turns(clock, 300)
  t.is(reasons.at(-1), 'waits for the end of its hold: not yet')
  await database.removeControl({ kind: 'hold', nodeId: 'n1' } as never)
  await database.releasePermit('pages', 'other')
  await turns(clock, 300)
  await claiming
  t.deepEqual(await holders(), ['n1'])
  t.true(targets.every((target) => target === 1))
})

test('an admission that ends leaves the queue, and the permit is given back when the node serves', async (t) => {
  const { clock, claim, turn, mine, holders } = await turning()
  await claim()
  turn.end()
  mine.release()
  await turns(clock)
  t.deepEqual(await holders(), [])
})

test('a node that waits for a second time says again what for', async (t) => {
  const { clock, claim, turn, mine, reasons, database } = await turning()
  await database.claimPermit('pages', upgradingNode('other'), { nodes: 2 })
  const first = claim()
  await turns(clock)
  await database.releasePermit('pages', 'other')
  await turns(clock, 100)
  await first
  turn.end()
  mine.release()
  await turns(clock)
  await database.claimPermit('pages', upgradingNode('other'), one)
  void claim()
  await turns(clock)
  const said = 'waits for a permit under the limit of pages, held by other'
  t.deepEqual(reasons, [said, said])
})

test('a node says so when it waits for a database on probation, and for an operator who gave no reason', async (t) => {
  const { clock, claim, reasons, database } = await turning()
  await database.doubt(new Starting('s1', 'd1'))
  void claim()
  await turns(clock)
  t.deepEqual(reasons, [
    'waits for the upgrade database, which has lost something and waits until all hosts have told of their nodes',
  ])
  await database.setControl({ kind: 'pause', version: 1, reason: '', since: 0 })
  await turns(clock, 100)
  t.is(reasons.at(-1), 'waits for the end of the pause of version 1')
})

test('a node that a newer start of a host has waits for its end here, and says so', async (t) => {
  const [older, newer] = [new Starting('older', 'dir', 5_000), new Starting('newer', 'dir', 1_000)]
  const { clock, claim, abort, reasons, database } = await turning({}, { now: older })
  await database.register(statusOf('n1', { directoryId: 'dir' }), 60_000, newer)
  const claiming = claim()
  await turns(clock, 300)
  t.deepEqual(reasons, ['waits for its end here: a newer start of a host has it'])
  abort.abort(new Error('over'))
  await t.throwsAsync(claiming, { message: 'over' })
})

test('a node whose host has no place left waits for its turn and says so, and asks the database for nothing', async (t) => {
  const { clock, claim, claims, reasons, takePlaces } = await turning()
  const [giveBack] = await takePlaces()
  const claiming = claim()
  await turns(clock, 1_000)
  t.deepEqual(reasons, ['waits for its turn among the pages of this host'])
  t.is(claims(), 0)
  giveBack!()
  await claiming
  t.is(claims(), 1)
})

test('a node that waits for its permit keeps its one place in the queue of its host, however often it asks', async (t) => {
  const { clock, services, claim, turn, database, takePlaces } = await turning()
  await database.claimPermit('pages', upgradingNode('other'), one)
  const claiming = claim()
  await turns(clock, 60)
  await takePlaces(1)
  t.true(services.upgradeQueue.isFull('pages'))
  await turns(clock, 60)
  await database.releasePermit('pages', 'other')
  await turns(clock, 60)
  await claiming
  turn.end()
  t.false(services.upgradeQueue.isFull('pages'))
})

test('a node that an operator holds leaves its place to others, and queues again for the next try', async (t) => {
  const { clock, services, claim, turn, claims, database, takePlaces } = await turning()
  await database.setControl({ kind: 'hold', nodeId: 'n1', reason: '', since: 0 })
  const claiming = claim()
  await turns(clock)
  const [giveBack] = await takePlaces()
  await database.removeControl({ kind: 'hold', nodeId: 'n1' })
  const before = claims()
  await turns(clock, 1_000)
  t.is(claims(), before)
  giveBack!()
  await claiming
  t.true(services.upgradeQueue.isFull('pages'))
  turn.end()
  t.false(services.upgradeQueue.isFull('pages'))
})

test('a node asks again for its permit after a pause of its own, so that those who wait do not ask all at once', async (t) => {
  const { clock, claim, claims, database } = await turning({ chance: 0.5 })
  await database.claimPermit('pages', upgradingNode('other'), one)
  void claim()
  await turns(clock, 74)
  t.is(claims(), 1)
  await turns(clock, 1)
  t.is(claims(), 2)
})

test('the pause between two tries doubles while the database is away, and is short again once it has answered', async (t) => {
  const { clock, factory, claim, claims, asked, database } = await turning({ backoffMsMax: 400 })
  await database.claimPermit('pages', upgradingNode('other'), one)
  factory.away(true)
  void claim()
  await turns(clock)
  const waits = async (pauseMs: number) => {
    const before = claims()
    await turns(clock, pauseMs - 1)
    t.is(claims(), before)
    await turns(clock, 1)
    t.is(claims(), before + 1)
  }
  for (const pauseMs of [100, 200]) await waits(pauseMs)
  factory.away(false)
  await waits(400)
  factory.away(true)
  await waits(50)
  for (const pauseMs of [100, 200, 400, 400]) await waits(pauseMs)
  t.false(asked.includes('releasePermit'), 'what may have been granted is claimed again, not given back')
})

test('a node that has gone past the upgrade, or whose upgrade is undone, says no more that it waits', async (t) => {
  const { clock, waits, claim, abort, reasons, database } = await turning()
  await database.claimPermit('pages', upgradingNode('other'), one)
  waits.claimed = gate()
  const claiming = claim()
  await turns(clock)
  abort.abort(new Error('undone'))
  waits.claimed.open()
  await t.throwsAsync(claiming, { message: 'undone' })
  t.deepEqual(reasons, [])
})
