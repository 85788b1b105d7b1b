/**
 * The questions of the world's oracle after a loss, and about a node that is busy: no more than what was
 * still known, and no less.
 */
import test from 'ava'
import type { NodeStatus, Phase } from 'theseus-actors'
import { seededRandom } from 'theseus-actors/memory'
import { pack } from '../../core/wire/codec.js'
import { WorldDatabase } from '../../rehearsal/world/database.js'
import { DeadVersionChecker } from '../../rehearsal/world/deadVersionChecker.js'
import { EventChecker } from '../../rehearsal/world/eventChecker.js'
import { Limits } from '../../rehearsal/world/limits.js'
import { observeRequest } from '../../rehearsal/world/observer.js'
import { planOf } from '../../rehearsal/world/planGenerator.js'
import { VirtualTime } from '../../rehearsal/world/virtualTime.js'

const nothingDead = { below: 0, sinceMs: 0, inForce: 0 }

test('a death that the database loses is asked only of those who have heard of it (C8)', (t) => {
  const deaths = watch()
  deaths.told({ below: 1, sinceMs: 0, inForce: 1 })
  t.true(deaths.isDeadAt('a', 0))
  deaths.lost(nothingDead, 0)
  t.false(deaths.isDeadAt('a', 0))
  deaths.committed([recordOf('a', 1)], () => true)
  t.true(deaths.isDeadAt('a', 0))
  t.false(deaths.isDeadAt('b', 0))
})

test('a death that a node had on its disk when the database lost it is asked of all nodes (C8)', (t) => {
  const deaths = watch()
  deaths.told({ below: 2, sinceMs: 0, inForce: 2 })
  deaths.committed([recordOf('a', 2)], () => true)
  deaths.lost(nothingDead, 0)
  t.true(deaths.isDeadAt('b', 1))
  t.false(deaths.isDeadAt('b', 2))
  // It was forgotten, and comes back too early for the database to know.
  deaths.registered({ nodeId: 'b', service: 'ledger', hostId: 'h', version: 1 } as NodeStatus)
  t.false(deaths.isDeadAt('b', 1))
  t.true(deaths.isDeadAt('b', 0))
  t.true(deaths.isDeadAt('a', 1))
})

test('a version that is final already is made final again, whoever has come back since; after a loss it counts anew (C8)', (t) => {
  const deaths = watch()
  deaths.finalized(1)
  deaths.committed([recordOf('a', 0, 0)], () => true)
  t.notThrows(() => deaths.finalized(1))
  deaths.lost(nothingDead, 0)
  t.throws(() => deaths.finalized(1), { message: 'C8: version 1 is made final, and a is at version 0' })
})

test('a copy that has not registered its node keeps no version alive: the original, which goes on, does (C8)', (t) => {
  const between = new Set(['a'])
  const deaths = watch((nodeId) => between.has(nodeId))
  deaths.committed([recordOf('a', 0, 0)], () => true)
  t.notThrows(() => deaths.declared({ below: 1, sinceMs: 0, inForce: 0 }, []))
  between.clear()
  t.throws(() => deaths.declared({ below: 2, sinceMs: 0, inForce: 0 }, []), {
    message: 'C8: versions below 2 are declared dead, and a is at version 0',
  })
})

test('what is carried out after a loss, the oracle hears of after the loss', async (t) => {
  const time = new VirtualTime(0)
  const heard: string[] = []
  const udb = new WorldDatabase(time, seededRandom(1), (method) => void (method === 'removeControl' && heard.push(method)))
  const database = await udb.look('world')
  await database.setControl({ kind: 'hold', nodeId: 'a', reason: '', since: 0 })
  const lost = udb.losing('restored')(({ controls }) => void heard.push(`${controls.length} left`))
  await database.removeControl({ kind: 'hold', nodeId: 'a' })
  await lost
  t.deepEqual(heard, ['1 left', 'removeControl'])
})

test('an event that expires while its ledger is busy for long may be missed, and no other (E1)', (t) => {
  const plan = { ...planOf(1), steps: [], upgrades: [], deaths: null, habits: [] }
  const dueAfterBusyUntil = (ms: number) => {
    const events = new EventChecker(plan)
    events.phase('ledger1', 'current', 0)
    events.runs('ledger1', 1, 500)
    events.runs('ledger1', 2, 600)
    events.runs('ledger1', 1, 700)
    events.runs('ledger1', 0, ms)
    const announce = { atMs: 800, kind: 'call', client: 'c', service: 'teller', node: null, version: 0, isPinned: false } as const
    const asked = { what: 'announce', manner: 'plainly' } as const
    events.announced('#1', { ...announce, isRegistered: false, deadlineMs: 1_000, asked }, 800, 810)
    return events.dueTo('ledger1')
  }
  t.deepEqual(dueAfterBusyUntil(2_500), [])
  t.deepEqual(dueAfterBusyUntil(900), ['#1'])
})

test('a node that serves again in the process that it leaves has given its slot back; one that still upgrades there has not (L1)', (t) => {
  const drainedAfter = (before: Phase) => {
    const { limits, found } = limitsOfOne()
    limits.observed(phase('ledger1', 'draining'), 'ledger')
    limits.observedBefore(phase('ledger1', before), 'ledger')
    limits.observed(phase('ledger2', 'draining'), 'ledger')
    return found
  }
  t.deepEqual(drainedAfter('current'), [])
  t.deepEqual(drainedAfter('recovering'), ['L1'])
  t.deepEqual(drainedAfter('failed'), ['L1'])
})

test('a node whose process was killed before it told that the node serves is not away any more when the database has its slot back (L1)', (t) => {
  const drainedAfterRelease = (by: string, isAlive: boolean) => {
    const { limits, found } = limitsOfOne()
    const world = { limits, node: () => ({ plan: { host: 'h1' }, handle: undefined }), isAlive: () => isAlive }
    limits.observed(phase('ledger1', 'recovering'), 'ledger')
    observeRequest(world as never, 'releasePermit', ['ledger', 'ledger1', { hostId: by }], undefined)
    limits.observed(phase('ledger2', 'draining'), 'ledger')
    return found
  }
  t.deepEqual(drainedAfterRelease('h1', false), [])
  t.deepEqual(drainedAfterRelease('h1', true), ['L1'], 'a slot that is given back too early')
  t.deepEqual(drainedAfterRelease('h2', false), ['L1'], 'the release of a host that has the node no more')
})

/** A rule book of plans in which one ledger may be away at once. */
function limitsOfOne() {
  const found: string[] = []
  const limits = new Limits(
    { ...planOf(1), upgrades: [], limit: { nodes: 1 } },
    () => 4,
    (rule) => found.push(rule),
  )
  return { limits, found }
}

function phase(nodeId: string, phase: Phase) {
  return { type: 'phase', nodeId, phase, version: 0, target: 1, reason: null, className: 'Ledger.v1', records: null } as never
}

function watch(isBetween = (_: string) => false): DeadVersionChecker {
  return new DeadVersionChecker(
    () => 10,
    () => true,
    isBetween,
    (rule, what) => {
      throw new Error(`${rule}: ${what}`)
    },
  )
}

function recordOf(nodeId: string, oldest: number, version = 5): [string, Uint8Array] {
  return [`n/${nodeId}`, pack({ nodeId, oldest, previous: null, generation: { version } })]
}
