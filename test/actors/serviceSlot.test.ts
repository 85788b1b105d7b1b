/** A node's slot under its service's limit: claimed before it drains, given back when it serves, and never kept by nobody. */
import 'reflect-metadata'
import test from 'ava'
import type { NodeServices } from '../../actors/nodeServices.js'
import { ServiceSlot } from '../../actors/serviceSlot.js'
import { defaultSettings } from '../../actors/settings.js'
import { UpgradeLine } from '../../actors/upgradeLine.js'
import { type TurningNode, UpgradeTurn } from '../../actors/upgradeTurn.js'
import type { UpgradeDatabase } from '../../core/ports/upgradeDatabase.js'
import { memoryDatabase } from '../../transports/memory/index.js'
import { going, holdersOf, Starting } from '../contracts/databaseContract.js'
import { type Gate, gate } from '../support/testSystem.js'
import { ManualClock } from './manualClock.js'

const one = { nodes: 1 }

async function open(backoffMsMax = 100) {
  const clock = new ManualClock()
  const factory = memoryDatabase()
  const database = await factory.open('shop', clock)
  /** What calls of the database wait for, before and after they are carried out. */
  const waits = {
    claim: undefined as Gate | undefined,
    claimed: undefined as Gate | undefined,
    release: undefined as Gate | undefined,
    restore: undefined as Gate | undefined,
  }
  /** What the database was asked to do with slots. */
  const asked: string[] = []
  const seen: UpgradeDatabase = new Proxy(database, {
    get(target, key) {
      const method = Reflect.get(target, key) as (...args: unknown[]) => unknown
      return async (...args: unknown[]) => {
        asked.push(String(key))
        if (key === 'claimSlot') await waits.claim?.pass()
        if (key === 'releaseSlot') await waits.release?.pass()
        if (key === 'restoreSlot') await waits.restore?.pass()
        const answer = await method.apply(target, args)
        if (key === 'claimSlot') await waits.claimed?.pass()
        return answer
      }
    },
  })
  const settings = {
    ...defaultSettings,
    system: 'shop',
    hostId: 'h1',
    limit: one,
    backoffMs: 100,
    backoffMsMax,
    slotPauseMs: 50,
  }
  const services = {
    database: seen,
    clock,
    settings,
    random: { next: () => 0 },
    history: { takesBack: () => false },
    line: new UpgradeLine(settings),
  } as unknown as NodeServices
  const holders = async () => holdersOf(await database.claimSlot('pages', going('nobody', 1, true), { nodes: 0 }))
  return {
    clock,
    factory,
    database,
    services,
    waits,
    asked,
    holders,
    slot: (isNew = true) => new ServiceSlot(services, 'pages', 'n1', isNew),
  }
}

async function turns(clock: ManualClock, ms = 0): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
  if (ms === 0) return
  clock.advance(ms)
  await turns(clock)
}

test('a slot that was claimed is given back when the node serves, and not before its upgrade is over', async (t) => {
  const { clock, slot, holders } = await open()
  const mine = slot()
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
  const { clock, slot, holders, database } = await open()
  await database.claimSlot('pages', going('other'), one)
  const mine = slot()
  t.deepEqual(holdersOf(await mine.claim(1, false, one)), ['other'])
  await database.releaseSlot('pages', 'other')
  t.deepEqual(await mine.claim(1, false, one), { claimed: true })
  mine.unreserve()
  mine.release()
  await turns(clock)
  t.deepEqual(await holders(), [])
})

test('a node that comes back may have a slot from before: it is given back', async (t) => {
  const { clock, slot, holders, database } = await open()
  await database.claimSlot('pages', going('n1'), one)
  slot(false).release()
  await turns(clock)
  t.deepEqual(await holders(), [])
})

test('a node that is new, or has given its slot back, asks for nothing', async (t) => {
  const { clock, slot, waits } = await open()
  waits.release = gate()
  const mine = slot()
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

test('a claim whose answer is lost may have been granted: the slot is given back when the node serves', async (t) => {
  const { clock, slot, holders, waits } = await open()
  const mine = slot()
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
  const { clock, factory, slot, holders } = await open()
  const mine = slot()
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
  const { clock, slot, holders, waits } = await open()
  const mine = slot()
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
  const { clock, slot, waits } = await open()
  const mine = slot()
  waits.claim = gate()
  const claims = [mine.claim(1, false, one), mine.claim(2, false, one)]
  await turns(clock)
  t.is(waits.claim.waiting, 1)
  waits.claim.open()
  t.deepEqual(await Promise.all(claims), [{ claimed: true }, { claimed: true }])
})

test('the pause between two tries to release doubles', async (t) => {
  const { clock, factory, slot, asked } = await open(400)
  const mine = slot()
  await mine.claim(1, false, one)
  mine.unreserve()
  factory.away(true)
  const tries = () => asked.filter((name) => name === 'releaseSlot').length
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

test('a node that has stopped releases nothing any more: its next start may hold the slot', async (t) => {
  const { clock, slot, waits, asked } = await open()
  const mine = slot(false)
  waits.release = gate()
  mine.release()
  mine.release()
  await turns(clock)
  mine.stop()
  waits.release.open()
  await turns(clock)
  t.deepEqual(asked, ['releaseSlot'])
})

// --- A database that has lost something

/** The database loses all it has, and gives nothing to anybody until it has heard of all nodes again. */
async function losing() {
  const opened = await open()
  return {
    ...opened,
    lose: async () => {
      opened.factory.empty()
      await opened.database.doubt(new Starting('s1', 'd1'))
    },
    holds: async () => (await opened.database.claimSlot('pages', going('n1'), { nodes: 0 })).claimed,
  }
}

test('a slot that the database has lost is restored for the upgrade that holds it', async (t) => {
  const { clock, slot, lose, holds } = await losing()
  const mine = slot()
  await mine.claim(1, false, one)
  await lose()
  t.false(await holds())
  mine.tellAgain()
  await turns(clock)
  t.true(await holds())
})

test('a slot that is claimed just now, or whose upgrade is over meanwhile, is not restored', async (t) => {
  const { clock, slot, lose, holds, waits, asked } = await losing()
  const mine = slot()
  waits.claim = gate()
  const claiming = mine.claim(1, false, one)
  await turns(clock)
  mine.tellAgain()
  await turns(clock)
  waits.claim.open()
  await claiming
  t.deepEqual(asked, ['claimSlot'])
  await lose()
  mine.tellAgain()
  mine.unreserve()
  await turns(clock)
  t.deepEqual(asked, ['claimSlot'])
  t.false(await holds())
})

test('a slot whose upgrade is over and whose node does not serve yet is neither restored nor given back', async (t) => {
  const { clock, slot, asked } = await losing()
  const mine = slot()
  await mine.claim(1, false, one)
  mine.unreserve()
  mine.tellAgain()
  await turns(clock)
  t.deepEqual(asked, ['claimSlot'])
})

test('a slot that can not be restored holds nothing up, and is given back after the try', async (t) => {
  const { clock, slot, waits, asked, holders } = await losing()
  const mine = slot()
  await mine.claim(1, false, one)
  waits.restore = gate()
  mine.tellAgain()
  await turns(clock)
  mine.unreserve()
  mine.release()
  await turns(clock)
  t.deepEqual(asked, ['claimSlot', 'restoreSlot'])
  waits.restore.fail(new Error('connection lost'))
  await turns(clock)
  t.deepEqual(asked, ['claimSlot', 'restoreSlot', 'releaseSlot'])
  t.deepEqual(await holders(), [])
})

test('a node that has given its slot back gives it back again to a database that may have it from before', async (t) => {
  const { clock, factory, slot, holders } = await losing()
  const mine = slot()
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

// --- Turns

async function turning(limit = one) {
  const opened = await open()
  const reasons: string[] = []
  let isStopped = false
  const slot = opened.slot()
  const node: TurningNode = {
    services: opened.services,
    keeper: { record: { service: 'pages' } } as TurningNode['keeper'],
    slot,
    get isStopped() {
      return isStopped
    },
    report: (_phase, _target, reason) => void reasons.push(reason),
  }
  const abort = new AbortController()
  const turn = new UpgradeTurn(node, 1)
  const stop = () => {
    isStopped = true
  }
  return { ...opened, node, mine: slot, reasons, abort, turn, stop, claim: () => turn.claim(limit, abort.signal) }
}

test('a claim that is aborted while the database answers it gives the slot back', async (t) => {
  const { clock, waits, claim, abort, holders } = await turning()
  waits.claimed = gate()
  const claiming = claim()
  claiming.catch(() => {})
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
  claiming.catch(() => {})
  await turns(clock)
  abort.abort(new Error('undone'))
  waits.claimed.fail(new Error('connection lost'))
  await t.throwsAsync(claiming, { message: 'undone' })
  await turns(clock)
  t.deepEqual(await holders(), [])
})

test('a node that stops while it claims leaves the slot as it is: its next start gives it back', async (t) => {
  const { clock, waits, claim, abort, stop, holders } = await turning()
  waits.claimed = gate()
  const claiming = claim()
  claiming.catch(() => {})
  await turns(clock)
  stop()
  abort.abort(new Error('stopped'))
  waits.claimed.fail(new Error('connection lost'))
  await t.throwsAsync(claiming, { message: 'stopped' })
  await turns(clock)
  t.deepEqual(await holders(), ['n1'])
})

test('a claim that is aborted leaves the line of its host to the next', async (t) => {
  const opened = await turning()
  const { clock, claim, abort, services, database } = opened
  await database.claimSlot('pages', going('other'), one)
  const claiming = claim()
  claiming.catch(() => {})
  await turns(clock)
  abort.abort(new Error('undone'))
  await t.throwsAsync(claiming, { message: 'undone' })
  const places = Array.from({ length: defaultSettings.upgradesAtOnceMax }, () =>
    services.line.take('pages', new AbortController().signal),
  )
  t.is((await Promise.all(places)).length, defaultSettings.upgradesAtOnceMax)
})

test('a node that waits says what for, once, and says it again only when that is something else', async (t) => {
  const { clock, claim, reasons, database, factory, holders } = await turning()
  await database.claimSlot('pages', going('other'), one)
  const claiming = claim()
  await turns(clock, 60)
  await turns(clock, 60)
  t.deepEqual(reasons, ['waits for a slot under the limit of pages, held by other'])
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
  await database.releaseSlot('pages', 'other')
  await turns(clock, 300)
  await claiming
  t.deepEqual(await holders(), ['n1'])
})

test('a turn that is over leaves the line, and the slot is given back when the node serves', async (t) => {
  const { clock, claim, turn, mine, holders } = await turning()
  await claim()
  turn.over()
  mine.release()
  await turns(clock)
  t.deepEqual(await holders(), [])
})
