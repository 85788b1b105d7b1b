/** The world's oracle finds what is broken on purpose: in an upgrade, in a disk, in the runtime itself. */
import 'reflect-metadata'
import test from 'ava'
import { tokens } from '../../actors/base/tokens.js'
import { CallTable } from '../../actors/calls/callTable.js'
import { UpgradeLayer } from '../../actors/calls/upgradeLayer.js'
import { Mailbox, type Turn } from '../../actors/serving/mailbox.js'
import { Journal } from '../../actors/state/journal.js'
import { Fault } from '../../core/base/fault.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { StateStore, Write } from '../../core/ports/stateStore.js'
import { planOf } from '../../rehearsal/world/planGenerator.js'
import type { Tamper } from '../../rehearsal/world/processEnvironment.js'
import { failureOf } from '../../rehearsal/world/report.js'
import { shrink } from '../../rehearsal/world/shrink.js'
import { play } from '../../rehearsal/world/world.js'
import { type MemoryState, memoryStore } from '../../transports/memory/index.js'
import { eachClass, findsViolation, nothing, plans } from './seedSearch.js'

test.serial('a transform that forgets the future-SO’s state is found (C7)', async (t) => {
  const forgetful = eachClass((upgrade) => ({
    ...upgrade,
    transform: (old, _future, collections) => upgrade.transform(old, {}, { ...collections, future: () => nothing }),
  }))
  await findsViolation(t, ['C2', 'C3'], { upgrade: forgetful })
})

test.serial('a transform that drops the newest record of a register is found (C7, C11)', async (t) => {
  const careless = eachClass((upgrade) => ({
    ...upgrade,
    transform: async (old, future, collections) => {
      const next = (await upgrade.transform(old, future, collections)) as { lists: Record<string, string[]> }
      next.lists.main?.pop()
      return next
    },
  }))
  await findsViolation(t, ['C2', 'C3'], { upgrade: careless })
})

test.serial('a future-SO that keeps a copy instead of asking the object is found (C5)', async (t) => {
  const copying = eachClass((upgrade) => {
    const so = upgrade.futureSO
    if (typeof so === 'symbol' || !('methods' in so) || !so.delegates.includes('addMain')) return upgrade
    const addMain = function (this: { state: { copy?: string[] }; nodeId: string }, op: string) {
      this.state.copy ??= []
      return { node: this.nodeId, index: this.state.copy.push(op) - 1 }
    }
    const delegates = so.delegates.filter((name) => name !== 'addMain')
    return { ...upgrade, futureSO: { ...so, delegates, methods: { ...so.methods, addMain } } }
  })
  await findsViolation(t, ['C2', 'C3'], { upgrade: copying })
})

/** Says that it has committed, and now and then has not. */
function lyingDisk(turn: (action: () => void) => void, host: string): MemoryState {
  const disk = memoryStore({ turn, directoryId: `disk-of-${host}` })
  let commits = 0
  const open = disk.open.bind(disk)
  disk.open = async () => {
    const store = await open()
    const commit = (writes: readonly Write[]) => {
      // The writes of commands, and nothing of what upgrades do.
      const isLost = writes.every(([key]) => /^s\/[^/]+\/0\.0\//.test(key)) && ++commits % 5 === 0
      return isLost ? new Promise<void>((resolve) => turn(resolve)) : store.commit(writes)
    }
    return new Proxy(store, {
      get: (target, key) => {
        if (key === 'commit') return commit
        const value: unknown = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      },
    }) as StateStore
  }
  return disk
}

test.serial('a disk that loses what it said to have committed is found (C3)', async (t) => {
  // C10: a node whose record names a state that is not there can't start.
  await findsViolation(t, ['C2', 'C3', 'C10', 'C12'], { disk: (host, turn) => lyingDisk(turn, host) })
})

/** Lets everything leave before it is on disk. */
const hasty: Tamper = {
  register: (container) => {
    container.afterResolution(Journal, (_, journal) => void Object.assign(journal as Journal, { isCommitted: () => true }))
  },
}

test.serial('replies that leave before their commit are found (C12)', async (t) => {
  await findsViolation(t, ['C2', 'C3', 'C4', 'C12'], hasty, plans.crashingInCommits, 92)
})

/** Sends commands again when their answer takes long. */
const insistent: Tamper = {
  register: (container) => {
    container.afterResolution(
      CallTable,
      (_, resolved) => {
        const table = resolved as CallTable
        const call = table.call.bind(table)
        table.call = (caller, outgoing) => call(caller, { ...outgoing, kind: 'query' })
      },
      { frequency: 'Once' },
    )
  },
}

test.serial('commands that are sent again although they may have been executed are found (C2)', async (t) => {
  // C4: one of the two was refused as not executed.
  await findsViolation(t, ['C2', 'C4'], insistent)
})

/** Takes every tenth answer back: it says that the command was not executed. */
const forgetful: Tamper = {
  register: (container) => {
    let answers = 0
    container.afterResolution(
      CallTable,
      (_, resolved) => {
        const table = resolved as CallTable
        const call = table.call.bind(table)
        table.call = async (caller, outgoing) => {
          const answer = await call(caller, outgoing)
          if (outgoing.kind === 'command' && ++answers % 10 === 0) throw new Fault('unavailable.stopped', 'never heard of it')
          return answer
        }
      },
      { frequency: 'Once' },
    )
  },
}

test.serial('a fault that says of an executed command that it was not is found (C4)', async (t) => {
  await findsViolation(t, ['C4'], forgetful)
})

test.serial('sends that leave before the commit of their command are found (C12)', async (t) => {
  const { leaveWithCommit } = UpgradeLayer.prototype
  t.teardown(() => {
    UpgradeLayer.prototype.leaveWithCommit = leaveWithCommit
  })
  UpgradeLayer.prototype.leaveWithCommit = (leave) => leave()
  await findsViolation(t, ['C12', 'C4'], {})
})

test.serial('a node that runs calls beside one another is found (C2)', async (t) => {
  const { post } = Mailbox.prototype
  t.teardown(() => {
    Mailbox.prototype.post = post
  })
  Mailbox.prototype.post = function (turn: Turn) {
    if (this.isOpen) void turn.run()
    else post.call(this, turn)
  }
  // C6: a node that notices breaks off.
  await findsViolation(t, ['C2', 'C6', 'invariant'], {})
})

test.serial('a limit that is not enforced is found', async (t) => {
  const generous: Tamper['register'] = (container) => {
    const database = container.resolve(tokens.database) as UpgradeDatabase
    const claimPermit = async () => ({ claimed: true })
    const get = (target: UpgradeDatabase, key: string | symbol) =>
      key === 'claimPermit' ? claimPermit : Reflect.get(target, key)
    container.register(tokens.database, { useValue: new Proxy(database, { get }) })
  }
  await findsViolation(t, ['L1'], { register: generous })
})

test.serial('an upgrade that neither ends nor says why is found (C10)', async (t) => {
  const endless = eachClass((upgrade) => ({ ...upgrade, schedule: { ...upgrade.schedule, run: () => new Promise(() => {}) } }))
  await findsViolation(t, ['C10'], { upgrade: endless })
})

test.serial('a failing plan is made smaller, and fails still', async (t) => {
  const seed = await findsViolation(t, ['C2', 'C3', 'C4', 'C12'], hasty, plans.crashingInCommits, 92)
  const plan = planOf(seed)
  const [violation] = (await play(plan, hasty)).violations
  const smaller = await shrink(plan, violation!.rule, hasty)
  const result = await play(smaller, hasty)
  t.is(result.violations[0]!.rule, violation!.rule)
  t.true(smaller.steps.length < plan.steps.length / 2)
  t.regex(failureOf(smaller, result, ' --with stops'), /npm run rehearse -- --seed \d+ --with stops$/)
})
