/** One node, one place: of two hosts that could answer for a node, one does (DESIGN §5). */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { HostFence } from '../../actors/registration/hostFence.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Write } from '../../core/ports/stateStore.js'
import type { Transport } from '../../core/ports/transport.js'
import {
  command,
  createHost,
  defineUpgrade,
  type Fault,
  type NodeClass,
  NodeObject,
  notNeeded,
  schedule,
  upgradeClass,
} from '../../index.js'
import { memoryStore } from '../../transports/memory/index.js'
import { copyOf } from '../support/copiedState.js'
import { until } from '../support/eventually.js'
import { ManualClock } from '../support/manualClock.js'
import { codeOf, gate, TestSystem } from '../support/testSystem.js'
import { NotesV1 } from './notesClasses.js'

const leaseMs = 400

async function twins(t: ExecutionContext, definition: NodeClass = NotesV1) {
  const system = await TestSystem.start(t, { leaseMs })
  const first = await system.host('h1')
  await first.node(definition, 'n1')
  await first.stop()
  const copy = await copyOf(first.state)
  const original = await system.host('h1', { state: first.state })
  await original.node(definition, 'n1')
  return { system, original, copy }
}

/** The calls that were carried out, on whichever host. */
const carriedOut: string[] = []

class LedgerV1 extends NodeObject<{ entries: number }> {
  static override readonly className = 'Ledger.v1'
  static override initial() {
    return { entries: 0 }
  }

  @command enter(text: string): number {
    carriedOut.push(text)
    return ++this.state.entries
  }
}

test('a copy of a state directory starts its node once the original has stopped it: every command is carried out once', async (t) => {
  const { system, original, copy } = await twins(t, LedgerV1)
  const twin = await system.host('h2', { state: copy })
  const ref = system.desk.ref(LedgerV1, 'n1', { version: 0 })
  const answered: string[] = []
  const enter = async (text: string) => {
    if ((await codeOf(ref.enter(text))).startsWith('answered')) answered.push(text)
  }
  let isUp = false
  void twin.node(LedgerV1, 'n1').then(() => {
    isUp = true
  })
  for (let i = 0; !isUp; i++) await enter(`meanwhile ${i}`)
  t.deepEqual(original.running.status().nodes, [], 'the newer start wins')
  const failed = original.events.find((event) => event.type === 'nodeFailed')
  t.is(failed?.type === 'nodeFailed' && (failed.error as Fault).code, 'config.registered-elsewhere')
  for (let i = 0; i < 5; i++) await enter(`afterwards ${i}`)
  t.true(answered.length >= 5)
  t.deepEqual(carriedOut, answered)
})

test('a copy that was made while its host runs waits for that host, though it remembers its start', async (t) => {
  const system = await TestSystem.start(t, { leaseMs })
  const original = await system.host('h1')
  const written: Write[] = []
  original.state.afterCommit = (writes) => void written.push(...writes)
  await original.node(LedgerV1, 'n1')
  const copy = memoryStore({ directoryId: (await system.database.nodes())[0]!.directoryId! })
  const to = await copy.open()
  await to.commit(written)
  await to.close()
  const twin = await system.host('h2', { state: copy })
  await twin.node(LedgerV1, 'n1')
  t.deepEqual(original.running.status().nodes, [])
  t.true(twin.warnings().some((message) => message.startsWith('node n1 may run on host h1, from another copy')))
})

test('a start over its own directory is the newer one, also where the clock was set forward since', async (t) => {
  const system = await TestSystem.start(t, { leaseMs: 60_000 })
  const first = await system.host('h1')
  await first.node(NotesV1, 'n1')
  const state = first.kill()
  let setByMs = 0
  const clock = system.clock.with({ now: () => system.clock.now() + setByMs })
  const again = await createHost({
    ...system.ways(),
    hostId: 'h1',
    state,
    bundles: system.repository,
    clock,
    discovery: false,
  })
  t.teardown(() => again.stop())
  setByMs = 3_600_000
  await again.node(NotesV1, 'n1')
  t.is(await codeOf(system.desk.ref(NotesV1, 'n1', { version: 0 }).add('one')), 'answered 1')
})

test('a host that is started again over its own directory waits for nobody', async (t) => {
  const { system, original } = await twins(t)
  // Its lease runs on, and it can't say good-bye.
  const again = await system.host('h1', { state: original.kill() })
  await again.node(NotesV1, 'n1')
  t.deepEqual(again.warnings(), [])
})

test('a copy that has been told of another start waits for it, also when the database does not answer any more', async (t) => {
  const system = await TestSystem.start(t, { leaseMs: 600 })
  const first = await system.host('h1')
  await first.node(NotesV1, 'n1')
  const copy = await copyOf(first.kill())
  const sinceMs = system.clock.monotonicMs()
  const twin = await system.host('h2', { state: copy })
  const starting = twin.node(NotesV1, 'n1')
  await until(() => twin.warnings().some((message) => message.startsWith('node n1 may run on host h1')), 'it is told')
  system.udb.away(true)
  await starting
  system.udb.away(false)
  // From the last renewal, which was at most a third of the lease before.
  t.true(system.clock.monotonicMs() - sinceMs >= 400 - 1)
  t.is(await codeOf(system.desk.ref(NotesV1, 'n1', { version: 0 }).add('late')), 'answered 1')
})

test('a copy waits no longer than the lease of an original that is dead', async (t) => {
  const { system, original, copy } = await twins(t)
  original.kill()
  const twin = await system.host('h2', { state: copy })
  await twin.node(NotesV1, 'n1')
  t.true(twin.warnings().some((message) => message.startsWith('node n1 may run on host h1, from another copy')))
  t.is(await codeOf(system.desk.ref(NotesV1, 'n1', { version: 0 }).add('one')), 'answered 1')
})

test('a node that was forgotten and began anew elsewhere is stopped where it was', async (t) => {
  const system = await TestSystem.start(t, { leaseMs })
  const [old, fresh] = [await system.host('old'), await system.host('new')]
  await old.node(NotesV1, 'n1')
  await system.database.forget('n1')
  await fresh.node(NotesV1, 'n1')
  await until(() => old.running.status().nodes.length === 0, 'the old host stops it')
  const ref = system.desk.ref(NotesV1, 'n1', { version: 0 })
  for (let i = 0; i < 3; i++) t.is(await ref.add('once'), i + 1)
  t.is(fresh.running.status().nodes[0]?.answered, 3)
})

test('a host that comes back after its nodes have begun anew elsewhere is refused', async (t) => {
  const system = await TestSystem.start(t, { leaseMs })
  const [old, fresh] = [await system.host('old'), await system.host('new')]
  await old.node(NotesV1, 'n1')
  const state = old.kill()
  await system.database.forget('n1')
  await fresh.node(NotesV1, 'n1')
  const back = await system.host('old', { state })
  t.is(await codeOf(back.node(NotesV1, 'n1')), 'config.registered-elsewhere')
  t.is(await codeOf(system.desk.ref(NotesV1, 'n1', { version: 0 }).add('one')), 'answered 1')
})

test('a host that stood still for longer than a lease asks before it carries anything out', async (t) => {
  const system = await TestSystem.start(t, { leaseMs: 5_000 })
  let stoodStillMs = 0
  const clock = system.clock.with({ monotonicMs: () => system.clock.monotonicMs() + stoodStillMs })
  const sleeper = await createHost({
    ...system.ways(),
    hostId: 'sleeper',
    state: memoryStore(),
    bundles: system.repository,
    clock,
    discovery: false,
  })
  t.teardown(() => sleeper.stop())
  const node = await sleeper.node(NotesV1, 'n1')
  // Of calls that have more time than the host stood still the fence alone decides.
  const ref = system.desk.ref(NotesV1, 'n1', { version: 0, deadline: '5m' })
  t.is(await ref.add('before'), 1)
  await system.database.forget('n1')
  const fresh = await system.host('new')
  await fresh.node(NotesV1, 'n1')
  // The next message is the first that it hears of.
  stoodStillMs = 60_000
  for (let i = 0; i < 3; i++) t.is(await ref.add('after'), i + 1)
  await until(() => sleeper.status().nodes.length === 0, 'it stops the node')
  t.is(fresh.running.status().nodes[0]?.answered, 3)
  t.is(node.version, 0)
})

/** The calls that `SlowLedgerV1` has carried out, on whichever host; `enterSlowly` waits for the test. */
const done: string[] = []
let slowly: Promise<void> = Promise.resolve()
let hasBegun = () => {}

class SlowLedgerV1 extends NodeObject<{ entries: number }> {
  static override readonly className: string = 'SlowLedger.v1'
  static override initial() {
    return { entries: 0 }
  }

  @command enter(text: string): number {
    done.push(text)
    return ++this.state.entries
  }

  @command async enterSlowly(text: string): Promise<number> {
    done.push(text)
    hasBegun()
    await slowly
    return ++this.state.entries
  }
}

async function whatIsOnItsWay(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
}

for (const isElsewhere of [true, false]) {
  const outcome = isElsewhere
    ? 'is not acknowledged, and what waited is not carried out'
    : 'is acknowledged, and what waited is carried out'
  test.serial(
    `a command that ran while its host stood still ${outcome}, if its node is ${isElsewhere ? 'elsewhere' : 'its own'}`,
    async (t) => {
      const system = await TestSystem.start(t, { leaseMs: 5_000 })
      const sleeper = await system.host('sleeper')
      await sleeper.node(SlowLedgerV1, 'n1')
      const ref = system.desk.ref(SlowLedgerV1, 'n1', { version: 0, deadline: '5m' })
      let goOn = () => {}
      slowly = new Promise((resolve) => (goOn = resolve))
      const begun = new Promise<void>((resolve) => (hasBegun = resolve))
      const before = done.length
      const answers: string[] = []
      void codeOf(ref.enterSlowly('ran')).then((answer) => answers.push(answer))
      await begun
      void codeOf(ref.enter('waited')).then((answer) => answers.push(answer))
      await until(() => sleeper.running.status().nodes[0]?.waiting === 1, 'it waits')
      if (isElsewhere) await system.database.forget('n1')
      if (isElsewhere) await (await system.host('new')).node(SlowLedgerV1, 'n1')
      const committed = new Promise<void>((resolve) => {
        sleeper.state.afterCommit = () => resolve()
      })
      let asked = 0
      sleeper.changeDatabase({
        renew: async (...args) => {
          asked++
          const heard = await system.database.renew(...args)
          await committed
          await whatIsOnItsWay()
          t.deepEqual([answers, done.slice(before)], [[], ['ran']], 'nothing before the database has answered')
          return heard
        },
      })
      sleeper.standStill(60_000)
      goOn()
      await until(() => asked > 0, 'it asks')
      if (isElsewhere) {
        await until(() => sleeper.running.status().nodes.length === 0, 'it stops the node')
        await whatIsOnItsWay()
        await system.desk.stop()
        await until(() => answers.length === 2, 'nobody else answers')
        t.deepEqual([answers, done.slice(before)], [['timeout.unknown', 'timeout.unknown'], ['ran']])
      } else {
        await until(() => answers.length === 2, 'both are answered')
        t.deepEqual(
          [answers, done.slice(before)],
          [
            ['answered 1', 'answered 2'],
            ['ran', 'waited'],
          ],
        )
      }
    },
  )
}

test.serial('a command that runs for longer than the lease for which another copy waits is not acknowledged', async (t) => {
  const { system, original, copy } = await twins(t, SlowLedgerV1)
  const ref = system.desk.ref(SlowLedgerV1, 'n1', { version: 0, deadline: '5m' })
  let goOn = () => {}
  slowly = new Promise((resolve) => (goOn = resolve))
  const begun = new Promise<void>((resolve) => (hasBegun = resolve))
  let answer = ''
  void codeOf(ref.enterSlowly('ran')).then((code) => {
    answer = code
  })
  await begun
  const other = await system.host('h2', { state: copy })
  await other.node(SlowLedgerV1, 'n1')
  t.is(await ref.enter('after'), 1)
  goOn()
  await until(() => original.running.status().nodes.length === 0, 'the original stops the node')
  await whatIsOnItsWay()
  t.is(answer, '')
  await system.desk.stop()
  await until(() => answer !== '', 'nobody else answers')
  t.is(answer, 'timeout.unknown')
})

class SlowLedgerV2 extends SlowLedgerV1 {
  static override readonly className = 'SlowLedger.v2'
}

for (const isElsewhere of [true, false]) {
  const outcome = isElsewhere
    ? 'is not carried out, if its node is elsewhere'
    : 'is carried out when the host knows that its node is its own'
  test.serial(`a call that waited for its version while its host stood still ${outcome}`, async (t) => {
    const system = await TestSystem.start(t, { leaseMs: 5_000 })
    const loading = gate()
    const load: typeof system.repository.load = async (...args) => {
      await loading.pass()
      return system.repository.load(...args)
    }
    const sleeper = await system.host('sleeper', { repository: { ...system.repository, load } })
    await sleeper.node(SlowLedgerV1, 'n1')
    const same = { futureSO: notNeeded, pastSO: notNeeded, transform: ({ entries }: { entries: number }) => ({ entries }) }
    const never = schedule('never', () => new Promise(() => {}))
    const toV2 = upgradeClass({ oldClass: SlowLedgerV1, newClass: SlowLedgerV2, ...same, schedule: never })
    await system.publish(defineUpgrade({ title: 'a new ledger', classUpgrades: [toV2] }))
    const before = done.length
    let answer = ''
    const call = system.desk.ref(SlowLedgerV2, 'n1', { version: 1, deadline: '5m' }).enter('waited')
    void codeOf(call).then((code) => {
      answer = code
    })
    await until(() => sleeper.running.status().nodes[0]?.fetching === 1, 'it waits for its version')
    await until(() => loading.waiting > 0, 'the version is being learned')
    if (isElsewhere) {
      await system.database.forget('n1')
      await (await system.host('new')).node(SlowLedgerV1, 'n1')
    }
    const asked = gate()
    sleeper.changeDatabase({
      renew: async (...args) => {
        await asked.pass()
        return system.database.renew(...args)
      },
    })
    sleeper.standStill(60_000)
    loading.open()
    await until(() => asked.waiting > 0, 'it asks')
    await whatIsOnItsWay()
    t.deepEqual([answer, done.slice(before)], ['', []], 'nothing before the database has answered')
    asked.open()
    if (isElsewhere) {
      await until(() => sleeper.running.status().nodes.length === 0, 'it stops the node')
      await whatIsOnItsWay()
      t.deepEqual([answer, done.slice(before)], ['', []])
    } else {
      await until(() => answer !== '', 'it is answered')
      t.deepEqual([answer, done.slice(before)], ['answered 1', ['waited']])
    }
  })
}

test.serial(
  'a host that is stopped as soon as it goes on after a standstill acknowledges nothing for a node that is elsewhere',
  async (t) => {
    const system = await TestSystem.start(t, { leaseMs: 5_000 })
    const sleeper = await system.host('sleeper')
    await sleeper.node(SlowLedgerV1, 'n1')
    const ref = system.desk.ref(SlowLedgerV1, 'n1', { version: 0, deadline: '5m' })
    let goOn = () => {}
    slowly = new Promise((resolve) => (goOn = resolve))
    const begun = new Promise<void>((resolve) => (hasBegun = resolve))
    const answer = codeOf(ref.enterSlowly('ran'))
    await begun
    await system.database.forget('n1')
    await (await system.host('new')).node(SlowLedgerV1, 'n1')
    sleeper.standStill(60_000)
    const stopping = sleeper.running.stop()
    goOn()
    await stopping
    await system.desk.stop()
    t.is(await answer, 'timeout.unknown')
  },
)

const fenceOf = (clock: Clock, flush: () => Promise<void> = async () => {}, leaseMs = 10_000) => {
  const settings = { ...defaultSettings, system: 's', hostId: 'h', leaseMs, stallMs: 1_000 }
  return new HostFence(clock, settings, () => {}, { flush } as Transport)
}

test('what arrives after a standstill is as old as that, until all that waited has arrived', async (t) => {
  const clock = new ManualClock()
  let arrived = () => {}
  const fence = fenceOf(clock, () => new Promise((resolve) => (arrived = resolve)))
  fence.start(async () => {})
  t.false(fence.isClosed(clock.monotonicMs()))
  t.is(fence.lateMs, 0)
  clock.stop(3_000)
  t.false(fence.isClosed(clock.monotonicMs()), 'a lease has not passed')
  t.is(fence.lateMs, 3_000)
  clock.advance(0)
  t.is(fence.lateMs, 3_000)
  arrived()
  await until(() => fence.lateMs === 0, 'the flush is answered')
})

test('a host asks after a lease that is shorter than a standstill, before it carries anything out', (t) => {
  const clock = new ManualClock()
  const fence = fenceOf(clock, undefined, 600)
  fence.start(async () => {})
  clock.stop(601)
  t.true(fence.isClosed(clock.monotonicMs()))
})

for (const way of ['stop', 'setBy'] as const) {
  test(`a host asks after a lease by either clock, once, and holds what arrives meanwhile in its order: ${way}`, async (t) => {
    const clock = new ManualClock()
    const fence = fenceOf(clock)
    let asked = 0
    let answer = () => {}
    fence.start(() => {
      asked++
      return new Promise((resolve) => (answer = resolve))
    })
    clock[way](11_000)
    clock.advance(250)
    t.true(fence.isClosed(clock.monotonicMs()))
    const done: number[] = []
    for (const i of [1, 2]) fence.whenOpen(() => void done.push(i))
    clock.advance(250)
    t.is(asked, 1)
    t.deepEqual(done, [])
    answer()
    await until(() => done.length === 2, 'it goes on')
    t.deepEqual(done, [1, 2])
    t.false(fence.isClosed(clock.monotonicMs()))
  })
}

test('a host that asks in time, answered or not, goes on without a pause', (t) => {
  const clock = new ManualClock()
  const fence = fenceOf(clock)
  let asked = 0
  fence.start(async () => void asked++)
  for (let round = 0; round < 10; round++) {
    for (let ms = 0; ms < 9_000; ms += 250) {
      clock.advance(250)
    }
    fence.asked(fence.moment())
  }
  t.is(asked, 0)
  t.is(fence.lateMs, 0)
})

test('a host that stops while its node waits for another copy stops at once, and leaves the node to whoever has it', async (t) => {
  const { system, original, copy } = await twins(t)
  // It lives, and does not hear of the other.
  original.changeDatabase({ renew: () => new Promise(() => {}), report: () => new Promise(() => {}) })
  const twin = await system.host('h2', { state: copy, settings: { leaseMs: 60_000 } })
  await system.database.register({ ...(await system.database.nodes())[0]! }, 60_000)
  const starting = codeOf(twin.node(NotesV1, 'n1'))
  await until(() => twin.warnings().some((message) => message.includes('another copy')), 'it waits')
  await twin.stop()
  t.is(await starting, 'unavailable.stopped')
  original.changeDatabase({ renew: system.database.renew.bind(system.database) })
  t.is(await codeOf(system.desk.ref(NotesV1, 'n1', { version: 0 }).add('one')), 'answered 1')
  t.is(original.running.status().nodes.length, 1)
})

test('a node that stops and starts again is registered when the database has heard that it had stopped', async (t) => {
  const system = await TestSystem.start(t, { leaseMs })
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const heard: string[] = []
  let hear = () => {}
  const { database } = system
  host.changeDatabase({
    reportGone: async (...args) => {
      heard.push('told that it has stopped')
      await new Promise<void>((resolve) => (hear = resolve))
      await database.reportGone(...args)
      heard.push('has heard that it has stopped')
    },
    register: async (...args) => {
      heard.push('registers it')
      return database.register(...args)
    },
  })
  await node.stop()
  await until(() => heard.length === 1, 'the database is told')
  const starting = host.node(NotesV1, 'n1')
  await whatIsOnItsWay()
  hear()
  await starting
  t.deepEqual(heard, ['told that it has stopped', 'has heard that it has stopped', 'registers it'])
})

test('an answer about a node that has stopped since says nothing about the one that was started in its place', async (t) => {
  const system = await TestSystem.start(t, { leaseMs: 3_000 })
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  let asked = 0
  let answer = () => {}
  let answered = Promise.resolve()
  const { database } = system
  host.changeDatabase({
    renew: async (...args) => {
      const { standing } = await database.renew(...args)
      if (++asked === 1) await new Promise<void>((resolve) => (answer = resolve))
      if (asked === 1) answered = new Promise(setImmediate)
      return { unknown: ['n1'], forgotten: ['n1'], elsewhere: [{ nodeId: 'n1', hostId: 'h2' }], ...(standing && { standing }) }
    },
  })
  await until(() => asked === 1, 'the lease is renewed')
  await node.stop()
  await host.node(NotesV1, 'n1')
  answer()
  await answered
  await whatIsOnItsWay()
  t.is(host.running.status().nodes.length, 1)
  t.is(await codeOf(system.desk.ref(NotesV1, 'n1', { version: 0 }).add('one')), 'answered 1')
  await until(() => asked === 2, 'the lease of this one is renewed')
  await until(() => host.running.status().nodes.length === 0, 'that answer is about it')
})
