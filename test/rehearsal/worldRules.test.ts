/** The world's oracle finds what is broken on purpose in undos, controls, deaths and events. */
import 'reflect-metadata'
import test from 'ava'
import { Node } from '../../actors/node/node.js'
import { EventHub, type Hearer } from '../../actors/serving/eventHub.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { Message } from '../../core/ports/transport.js'
import type { ClassUpgrade } from '../../core/upgrade/upgrade.js'
import type { Tamper } from '../../rehearsal/world/processEnvironment.js'
import { database, eachClass, findsViolation, nothing, plans } from './seedSearch.js'

const inverse = (change: (inverse: NonNullable<ClassUpgrade['inverse']>) => ClassUpgrade['inverse']): Tamper => ({
  upgrade: eachClass((upgrade) => ({ ...upgrade, inverse: upgrade.inverse && change(upgrade.inverse) })),
})

test.serial('an undo that forgets the past-SO’s state is found (C7)', async (t) => {
  const forgetful = inverse(({ transform, ...more }) => ({
    ...more,
    transform: (now, _past, collections) => transform(now, {}, { ...collections, future: () => nothing }),
  }))
  await findsViolation(t, ['C2', 'C3'], forgetful, plans.undoingDrops, 287)
})

test.serial('an undo that forgets what only the undone version knows is found (C5)', async (t) => {
  const forgetful = inverse(({ future, ...more }) => ({
    ...more,
    future: (state, collections) =>
      future!({ ...state, lists: emptied(state.lists, []), counts: emptied(state.counts, 0) }, unread(collections)),
  }))
  await findsViolation(t, ['C2', 'C3'], forgetful, plans.undoing, 56)
})

function emptied(record: object, value: unknown): object {
  return Object.fromEntries(Object.keys(record).map((name) => [name, value]))
}

function unread<C extends { old(name: string): unknown }>(collections: C): C {
  return { ...collections, old: () => nothing }
}

const claimingAs = (change: Partial<Parameters<UpgradeDatabase['claimPermit']>[1]>): Tamper => ({
  database: (target) =>
    database(target, { claimPermit: (service, going, limit) => target.claimPermit(service, { ...going, ...change }, limit) }),
})

test.serial('a pause that is not heeded is found', async (t) => {
  await findsViolation(t, ['P1'], claimingAs({ isUndo: true }), plans.with('pause'))
})

test.serial('a node that does not wait for its scheduling function is found', async (t) => {
  const hasty: Tamper = {
    upgrade: eachClass((upgrade) => ({ ...upgrade, schedule: { ...upgrade.schedule, run: async () => {} } })),
  }
  await findsViolation(t, ['P3'], hasty)
})

test.serial('a hold that is not heeded is found', async (t) => {
  const unheld: Tamper = {
    database: (target) =>
      database(target, {
        claimPermit: async (service, going, limit) => {
          const answer = await target.claimPermit(service, going, limit)
          return 'control' in answer && answer.control.kind === 'hold' ? { claimed: true } : answer
        },
      }),
  }
  // A node that goes in spite of a hold goes without a slot, so a limit may be broken first; or it keeps the
  // slot that it had before it came back.
  await findsViolation(t, ['P1', 'L1', 'C10'], unheld, plans.with('hold'))
})

test.serial('an undo that a pause holds is found (C10)', async (t) => {
  await findsViolation(t, ['C10'], claimingAs({ isUndo: false }), plans.pausingUndos, 275)
})

test.serial('a death that is declared while a node is down is found (C8)', async (t) => {
  /** Leaves out of account who is not heard of. */
  const hasty: Tamper = {
    database: (target) => {
      const heard = async () => (await target.nodes()).filter(({ alive }) => alive)
      return database(target, {
        nodes: heard,
        declareDead: async (below, delayMs) => {
          const down = (await target.nodes()).filter(({ alive }) => !alive)
          for (const { nodeId } of down) await target.forget(nodeId)
          const death = await target.declareDead(below, delayMs)
          for (const { alive, ...status } of down) await target.register(status, 0)
          return death
        },
      })
    },
  }
  await findsViolation(t, ['C8'], hasty, plans.dying, 53)
})

test.serial('a death that takes effect at once is found (C8)', async (t) => {
  const sudden: Tamper = {
    database: (target) =>
      database(target, {
        dead: async () => {
          const death = await target.dead()
          return { ...death, inForce: death.below }
        },
      }),
  }
  await findsViolation(t, ['C8'], sudden, plans.dying)
})

test.serial('a node that comes back at a dead version and serves is found (C8)', async (t) => {
  const behind = Object.getOwnPropertyDescriptor(Node.prototype, 'isAtDeadVersion')!
  t.teardown(() => Object.defineProperty(Node.prototype, 'isAtDeadVersion', behind))
  Object.defineProperty(Node.prototype, 'isAtDeadVersion', { ...behind, get: () => false })
  await findsViolation(t, ['C8'], {}, plans.dyingForTheForgotten, 174)
})

test.serial('a final version that can be undone is found (C8)', async (t) => {
  const lenient: Tamper = { database: (target) => database(target, { finalized: async () => 0 }) }
  await findsViolation(t, ['C8'], lenient)
})

test.serial('an event that is delivered twice is found (C2)', async (t) => {
  const { hear } = EventHub.prototype
  t.teardown(() => {
    EventHub.prototype.hear = hear
  })
  const twice = new WeakMap<Hearer, Hearer>()
  const doubled = (hearer: Hearer): Hearer => ({
    knows: (version) => hearer.knows(version),
    hear: (message: Message) => {
      hearer.hear(message)
      hearer.hear(message)
    },
  })
  EventHub.prototype.hear = function (hearer, names) {
    if (!twice.has(hearer)) twice.set(hearer, doubled(hearer))
    hear.call(this, twice.get(hearer)!, names)
  }
  await findsViolation(t, ['C2'], {})
})

test.serial('an event that one of its hearers misses is found', async (t) => {
  const { hear } = EventHub.prototype
  t.teardown(() => {
    EventHub.prototype.hear = hear
  })
  let hearers = 0
  EventHub.prototype.hear = function (hearer, names) {
    hear.call(this, hearer, ++hearers % 3 === 0 ? new Set() : names)
  }
  await findsViolation(t, ['E1'], {}, plans.announcing, 54)
})
