/**
 * How a node learns newer versions: beside its calls, once for all who wait, and again where something was
 * lost or could not be had.
 */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { Intake } from '../../actors/history/intake.js'
import { Mailbox } from '../../actors/serving/mailbox.js'
import { NodeRecordStore } from '../../actors/software/nodeRecordStore.js'
import { Journal } from '../../actors/state/journal.js'
import { NodeState } from '../../actors/state/nodeState.js'
import { type LearningNode, NodeLearning } from '../../actors/upgrade/nodeLearning.js'
import { Fault } from '../../core/base/fault.js'
import { type Generation, keys, type NodeRecord, type StateSlot } from '../../core/model/nodeRecord.js'
import { none } from '../../core/model/simulation.js'
import type { ClassUpgrade } from '../../core/upgrade/upgrade.js'
import { pack, unpack } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { memoryStore } from '../../transports/memory/index.js'
import { type Gate, gate } from '../support/testSystem.js'
import { turns } from './claiming.js'
import { ownerOf } from './mailboxOwner.js'
import { ManualClock } from './manualClock.js'
import { toV2 } from './notesClasses.js'

const born: Generation = { number: 0, version: 0, className: 'Notes.v1', object: '0.0', simulations: {} }

interface Options {
  readonly record?: Partial<NodeRecord>
  readonly undos?: readonly number[]
  readonly upgrade?: Partial<ClassUpgrade>
}

async function open({ record = {}, undos = [], upgrade = {} }: Options = {}) {
  const clock = new ManualClock()
  const memory = memoryStore()
  const store = await memory.open()
  const journal = new Journal(store, clock)
  const log: string[] = []
  const steps = new Map<string, Gate | Error>()
  const step = async (name: string) => {
    log.push(name)
    const found = steps.get(name)
    if (found instanceof Error) throw found
    await found?.pass()
  }
  const state = new NodeState('n1', journal)
  const first: NodeRecord = {
    format: 2,
    nodeId: 'n1',
    service: 'pages',
    facts: {},
    incarnation: 1,
    oldest: 0,
    newest: 0,
    generation: born,
    previous: null,
    upgrade: null,
    ...record,
  }
  /** Versions that the upgrade server has. */
  const known = { newest: 0, dead: record.oldest ?? 0, final: 0 }
  const recordStore = new NodeRecordStore(first, state, journal, known)
  recordStore.write(first)
  for (const of of ['0.0', ...Object.values(first.generation.simulations)] as StateSlot[])
    state.write(keys.root('n1', of), pack({}))
  const mailbox = new Mailbox(clock, 100, ownerOf())
  mailbox.open()
  const undoes = (version: number) => undos.includes(version)
  const rejected: { fault: Fault | undefined } = { fault: undefined }
  const unknown = new Set<number>()
  const services = {
    journal,
    clock,
    random: { next: () => 0 },
    settings: { ...defaultSettings, system: 'shop', hostId: 'h1', heldCallsMax: 3, backoffMs: 100, backoffMsMax: 400 },
    observe: (event: { type: string; message?: string }) => void log.push(`${event.type} ${event.message}`),
    history: {
      get heard() {
        return known.newest
      },
      get newest() {
        return known.newest
      },
      get dead() {
        return known.dead
      },
      get final() {
        return known.final
      },
      fetch: (version: number) => step(`fetch ${version}`),
      reconsider: (version: number) => void log.push(`reconsider ${version}`),
      isUndone: (version: number) => undoes(version + 1),
      isUndo: undoes,
      takesBack: undoes,
      isUnknown: (version: number) => unknown.has(version),
      async knows(version: number) {
        await step(`knows ${version}`)
        return version <= known.newest
      },
    },
    classes: {
      lineage: () => [],
      loadStep: (_line: unknown, version: number) => step(`load ${version}`),
      classUpgrade: () => ({ ...toV2().classUpgrades[0]!, ...upgrade }),
    },
  }
  const intake = new Intake(services.history as never, services.classes as never)
  const software = {
    hasObject: true,
    get rejected() {
      return rejected.fault
    },
    cutAbove(fault: Fault | undefined) {
      rejected.fault = fault
      log.push(fault === undefined ? 'cut ends' : `cut: ${fault.message}`)
    },
    rebuildChain: () => void log.push('chain'),
    chain: {
      at(label: number) {
        if (rejected.fault !== undefined && label > recordStore.record.newest) throw rejected.fault
        return label <= recordStore.record.newest ? {} : undefined
      },
    },
  }
  /** The host's answer to whether what has waited may go on. */
  const goingOn: { asked?: Gate; isHere: boolean } = { isHere: true }
  const node = {
    services: Object.assign(services, { intake }),
    recordStore,
    software,
    state,
    mailbox,
    accept: (call: Call) => void log.push(`accept ${call.name}`),
    mayGoOn: async () => {
      await goingOn.asked?.pass()
      return goingOn.isHere
    },
    consider: () => void log.push('consider'),
    crash: (error: Error) => void log.push(`crash ${error.message}`),
  }
  /** Lets what is under way go as far as it can. */
  const passing = async (ms = 0) => {
    for (let i = 0; i < 10; i++) {
      clock.endTurn()
      await new Promise((resolve) => setImmediate(resolve))
    }
    if (ms === 0) return
    clock.advance(ms)
    await passing()
  }
  await passing()
  const learning = new NodeLearning(node as unknown as LearningNode)
  const call = (name: string, label: number, kind: number = kinds.call): Call => new Call(name, label, kind, log)
  const hold = (...calls: readonly Call[]) => {
    for (const each of calls) learning.hold(each as never)
  }
  const done = () => log.splice(0)
  const kept = (of: StateSlot) => {
    const bytes = journal.get(keys.root('n1', of))
    return bytes && unpack(bytes)
  }
  return {
    ...{
      clock,
      memory,
      store,
      journal,
      state,
      recordStore,
      mailbox,
      software,
      services,
      learning,
      steps,
      known,
      unknown,
      rejected,
    },
    ...{ passing, call, hold, done, kept, goingOn },
  }
}

/** A call that has come, as far as learning knows it. */
class Call {
  isRefused = false
  readonly envelope: { readonly label: number; readonly kind: number }
  constructor(
    readonly name: string,
    label: number,
    kind: number,
    private readonly log: string[],
  ) {
    this.envelope = { label, kind }
  }
  holdFor(reason: string): void {
    this.log.push(`hold ${this.name}: ${reason}`)
  }
  refuseFor(error: unknown): void {
    this.refuse(error as Fault)
  }
  refuse({ code }: Fault): void {
    this.isRefused = true
    this.log.push(`refuse ${this.name}: ${code}`)
  }
}

const message = (text: string | RegExp) => ({ message: text })

// --- Learning

test('a node learns one version after the other, each on disk with what its future-SO begins with', async (t) => {
  const { learning, passing, recordStore, done, kept } = await open()
  const learned = learning.prepare(2)
  await passing()
  await learned
  t.deepEqual(done(), ['fetch 2', 'load 1', 'chain', 'load 2', 'chain'])
  t.is(recordStore.record.newest, 2)
  t.deepEqual(recordStore.record.generation, { ...born, simulations: { 1: '0.1', 2: '0.2' } })
  t.deepEqual(kept('0.1'), { stars: {} })
  await learning.prepare(2)
  t.deepEqual(done(), ['fetch 2'])
})

test('an upgrade without a future-SO, and one that leaves the node alone, need no state', async (t) => {
  const { learning, recordStore } = await open({ upgrade: { futureSO: none } })
  await learning.prepare(1)
  t.deepEqual(recordStore.record.generation, born)
  t.is(recordStore.record.newest, 1)
  const alone = await open()
  alone.services.classes.classUpgrade = () => undefined as never
  await alone.learning.prepare(1)
  t.deepEqual(alone.recordStore.record.generation, born)
  t.is(alone.recordStore.record.newest, 1)
})

test('what stands for an undo is there already, with its state', async (t) => {
  const { learning, recordStore } = await open({ undos: [2] })
  await learning.prepare(2)
  t.deepEqual(recordStore.record.generation.simulations, { 1: '0.1' })
  const again = await open({ record: { newest: 0, generation: { ...born, simulations: { 1: '0.7' } } } })
  await again.learning.prepare(1)
  t.deepEqual(again.recordStore.record.generation.simulations, { 1: '0.7' })
})

test('a node makes no state for an undo where its object, or one that is the same, is meant again', async (t) => {
  const undos = [2, 3]
  // Version 3 means version 1 again, which this node runs.
  const at1 = { ...born, version: 1, className: 'Notes.v2' }
  const runs = await open({ undos, record: { newest: 2, generation: at1 } })
  runs.services.history.takesBack = (version) => version === 2
  await runs.learning.prepare(3)
  t.deepEqual(runs.recordStore.record.generation.simulations, {})
  // Version 3 means version 1 again, in which the node is as it was in version 0.
  const same = await open({ undos: [3] })
  const { classUpgrade } = same.services.classes
  same.services.classes.classUpgrade = ((_line: unknown, version: number) =>
    version === 1 ? undefined : classUpgrade()) as never
  await same.learning.prepare(3)
  t.deepEqual(same.recordStore.record.generation.simulations, { 2: '0.2' })
})

test('those who learn at once learn one after the other, and one that fails holds up no other', async (t) => {
  const { learning, steps, passing, done } = await open()
  steps.set('fetch 1', new Fault('upgrade.fetch', 'not now'))
  const [first, second] = [learning.prepare(1), learning.prepare(2)]
  await t.throwsAsync(first, message('not now'))
  await passing()
  await second
  t.deepEqual(done().slice(0, 2), ['fetch 1', 'fetch 2'])
})

test('while one learns the next waits, also where the one before could not have what it wanted', async (t) => {
  const { learning, steps, passing, done } = await open()
  const fetching = gate()
  steps.set('fetch 1', fetching)
  const [first, second] = [learning.prepare(1), learning.prepare(2)]
  await passing()
  t.deepEqual(done(), ['fetch 1'])
  fetching.fail(new Fault('upgrade.fetch', 'not now'))
  await t.throwsAsync(first, message('not now'))
  await second
  t.is(done()[0], 'fetch 2')
})

test('a cut is made, and ended, when the mailbox is open; who learns or looks again waits for that', async (t) => {
  const unfit = new Fault('version.rejected', 'unfit')
  /** The acts while the mailbox is closed, and after it has opened. */
  const around = async (work: (at: Awaited<ReturnType<typeof open>>) => Promise<void>, undos: readonly number[] = []) => {
    const at = await open({ undos })
    await at.mailbox.close()
    const ended = work(at).then(() => at.done())
    await at.passing()
    const before = at.done()
    at.mailbox.open()
    await at.passing()
    return { before, after: await ended, fault: at.rejected.fault }
  }
  const cut = await around(({ learning, steps }) => {
    steps.set('load 1', new Fault('upgrade.digest', 'no'))
    return learning.prepare(1)
  })
  t.deepEqual([cut.before, cut.after], [['fetch 1', 'load 1'], ['cut: the upgrade to version 1 was rejected: no']])
  const looked = await around(({ learning, rejected }) => {
    rejected.fault = unfit
    return learning.reconsider()
  })
  t.deepEqual([looked.before, looked.after], [['reconsider 1'], ['cut ends']])
  const undone = await around(
    ({ learning, rejected }) => {
      rejected.fault = unfit
      return learning.prepare(2)
    },
    [2],
  )
  t.deepEqual(undone.before, ['fetch 2'])
  t.deepEqual(undone.after.slice(0, 2), ['cut ends', 'load 1'])
  t.is(undone.fault, undefined)
})

test('an upgrade that is unfit cuts the chain there; what could not be had is thrown on', async (t) => {
  const { learning, steps, recordStore, done } = await open()
  steps.set('load 2', new Fault('upgrade.digest', 'it is not what it says'))
  await learning.prepare(3)
  t.is(recordStore.record.newest, 1)
  t.is(done().at(-1), 'cut: the upgrade to version 2 was rejected: it is not what it says')
  // It is not asked for again until somebody has looked.
  await learning.prepare(3)
  t.deepEqual(done(), ['fetch 3'])
  const away = await open()
  away.steps.set('load 1', new Fault('upgrade.fetch', 'not now'))
  await t.throwsAsync(away.learning.prepare(1), message('not now'))
  t.is(away.rejected.fault, undefined)
})

test('a future-SO that can not begin does not fit', async (t) => {
  const futureSO = {
    ...(toV2().classUpgrades[0]!.futureSO as object),
    initial: () => {
      throw new Error('no paper')
    },
  }
  const { learning, rejected } = await open({ upgrade: { futureSO: futureSO as never } })
  await learning.prepare(1)
  t.is(rejected.fault?.message, "the upgrade to version 1 was rejected: the future-SO's initial() failed: no paper")
})

test('an unfit upgrade is passed once it is undone, and looked at again when an operator asks', async (t) => {
  const { learning, rejected, done, recordStore } = await open({ undos: [2] })
  rejected.fault = new Fault('version.rejected', 'unfit')
  await learning.prepare(2)
  t.deepEqual(done().slice(0, 2), ['fetch 2', 'cut ends'])
  t.is(recordStore.record.newest, 2)
  const other = await open()
  await other.learning.reconsider()
  t.deepEqual(other.done(), [])
  other.rejected.fault = new Fault('version.rejected', 'unfit')
  await other.learning.reconsider()
  t.deepEqual(other.done(), ['reconsider 1', 'cut ends'])
})

test('a node learns beside a call that does not end, but waits while its object is taken apart or its mailbox is closed', async (t) => {
  const beside = await open()
  const running = gate()
  beside.mailbox.post({ run: () => running.pass() })
  await beside.learning.prepare(1)
  t.is(beside.recordStore.record.newest, 1)
  running.open()
  const apart = await open()
  const held = gate()
  apart.software.hasObject = false
  apart.mailbox.post({ run: () => held.pass() })
  void apart.learning.prepare(1)
  await apart.passing()
  t.is(apart.recordStore.record.newest, 0)
  held.open()
  await apart.passing()
  t.is(apart.recordStore.record.newest, 1)
  const closed = await open()
  await closed.mailbox.close()
  void closed.learning.prepare(1)
  await closed.passing()
  t.is(closed.recordStore.record.newest, 0)
  closed.mailbox.open()
  await closed.passing()
  t.is(closed.recordStore.record.newest, 1)
})

test('what was lost while more was learned leaves no gap', async (t) => {
  const { learning, steps, passing, recordStore } = await open()
  const loading = gate()
  steps.set('load 2', loading)
  const learned = learning.prepare(2)
  await passing()
  t.is(recordStore.record.newest, 1)
  recordStore.write({ ...recordStore.record, newest: 0, generation: born })
  loading.open()
  await passing()
  await learned
  t.is(recordStore.record.newest, 2)
  t.deepEqual(recordStore.record.generation.simulations, { 1: '0.1', 2: '0.2' })
})

test('learning in the background is followed by a look at what there is to do; only what nobody else tells is told', async (t) => {
  const { learning, steps, passing, done } = await open()
  learning.learn(1)
  await passing()
  t.is(done().at(-1), 'consider')
  for (const [error, told] of [
    [new Fault('upgrade.fetch', 'not now'), false],
    [new Fault('unavailable.disconnected', 'away'), false],
    [new Error('odd'), true],
    [new Fault('application.error', 'odd'), true],
  ] as const) {
    steps.set('fetch 2', error)
    learning.learn(2)
    await passing()
    t.deepEqual(done().slice(1), [...(told ? ['warning n1: version 2 could not be learned'] : []), 'consider'])
  }
})

test('a node that has stopped learns nothing, and holds no calls', async (t) => {
  const { learning, steps, passing, recordStore, call, hold, done } = await open()
  const loading = gate()
  steps.set('load 1', loading)
  void learning.prepare(2)
  await passing()
  t.deepEqual(learning.stop(), [])
  loading.open()
  await passing()
  t.is(recordStore.record.newest, 1)
  done()
  await learning.prepare(2)
  hold(call('a', 3))
  t.deepEqual(done(), ['refuse a: unavailable.overloaded'])
})

// --- Held calls

test('a call of an unknown version is answered once that version is learned', async (t) => {
  const { hold, call, passing, known, done, learning } = await open()
  known.newest = 2
  hold(call('a', 2))
  t.is(learning.held, 1)
  await passing()
  t.deepEqual(done(), [
    'hold a: unavailable.fetching',
    'knows 2',
    'fetch 2',
    'load 1',
    'chain',
    'load 2',
    'chain',
    'accept a',
    'consider',
  ])
  t.is(learning.held, 0)
})

for (const isHere of [true, false]) {
  const outcome = isHere ? 'are answered then, or refused' : 'wait for the end of their node, which has another host'
  test(`calls whose host stands still while they wait for their version go on when it knows whose its nodes are: they ${outcome}`, async (t) => {
    const { hold, call, passing, known, done, goingOn, learning } = await open()
    known.newest = 1
    goingOn.asked = gate()
    goingOn.isHere = isHere
    hold(call('a', 1), call('b', 2))
    await passing()
    const ends = () => done().filter((entry) => /^(accept|refuse)/.test(entry))
    t.deepEqual(ends(), [])
    goingOn.asked.open()
    await passing()
    t.deepEqual(ends(), isHere ? ['accept a', 'refuse b: version.unknown'] : [])
    t.is(learning.stop().length, isHere ? 0 : 2)
  })
}

test('one question answers for all calls that wait; those that come meanwhile are answered by the next', async (t) => {
  const { hold, call, passing, known, done, steps } = await open()
  known.newest = 3
  const asking = gate()
  steps.set('knows 2', asking)
  hold(call('a', 1), call('b', 2))
  // The first question left before the second call came.
  await passing()
  hold(call('c', 3), call('d', 2))
  asking.open()
  await passing()
  const heard = done().filter((entry) => /^(knows|accept)/.test(entry))
  t.deepEqual(heard, ['knows 1', 'accept a', 'knows 2', 'accept b', 'knows 3', 'accept c', 'accept d'])
})

test('a version that nobody has is refused, and one that was unknown a moment ago asks nothing', async (t) => {
  const { hold, call, passing, done, unknown } = await open()
  hold(call('a', 1))
  await passing()
  t.deepEqual(done(), ['hold a: unavailable.fetching', 'knows 1', 'fetch 0', 'refuse a: version.unknown', 'consider'])
  unknown.add(5)
  hold(call('b', 5))
  await passing()
  t.deepEqual(done(), ['hold b: unavailable.fetching', 'knows 0', 'fetch 0', 'refuse b: version.unknown', 'consider'])
})

test('an event of a version that was unknown a moment before it came is asked about once more', async (t) => {
  const { hold, call, passing, done, unknown, known } = await open()
  unknown.add(1)
  hold(call('e', 1, kinds.event))
  await passing()
  t.false(done().some((entry) => entry.startsWith('refuse')))
  unknown.clear()
  known.newest = 1
  await passing(100)
  t.true(done().includes('accept e'))
  unknown.add(2)
  hold(call('f', 2, kinds.event))
  await passing()
  unknown.clear()
  await passing(100)
  t.is(done().filter((entry) => entry === 'refuse f: version.unknown').length, 1)
})

test('where a version can not be had it is tried again, less and less often, told once, and calls whose time is over are dropped', async (t) => {
  const { hold, call, passing, done, known, steps, learning } = await open()
  known.newest = 1
  steps.set('fetch 1', new Error('odd'))
  const [a, b] = [call('a', 1), call('b', 1)]
  hold(a, b)
  await passing()
  let warnings = 0
  const tries = () => {
    const entries = done()
    warnings += entries.filter((entry) => entry.startsWith('warning')).length
    return entries.filter((entry) => entry === 'fetch 1').length
  }
  t.is(tries(), 1)
  t.is(warnings, 1)
  a.isRefused = true
  t.is(learning.held, 1)
  await passing(99)
  t.is(tries(), 0)
  await passing(1)
  t.is(tries(), 1)
  await passing(199)
  t.is(tries(), 0)
  await passing(1)
  t.is(tries(), 1)
  steps.delete('fetch 1')
  await passing(400)
  const last = done()
  t.true(last.includes('accept b'))
  t.false(last.includes('accept a'))
  t.false(last.some((entry) => entry.startsWith('warning')))
  t.is(warnings, 1)
})

test('where a version can be had again, the next failure is told again, and its pause is short', async (t) => {
  const { hold, call, passing, done, known, steps, unknown } = await open()
  known.newest = 1
  unknown.add(9)
  steps.set('knows 1', new Error('odd'))
  // Nobody publishes an event again: this one waits for another question, in the same round.
  hold(call('a', 1), call('e', 9, kinds.event))
  await passing()
  await passing(100)
  steps.delete('knows 1')
  await passing(200)
  t.true(done().includes('accept a'))
  steps.set('knows 0', new Error('odd'))
  await passing(100)
  t.deepEqual(done(), ['consider', 'knows 0', 'warning n1: version 2 could not be learned'])
  await passing(99)
  t.deepEqual(done(), [])
  await passing(1)
  t.deepEqual(done(), ['knows 0'])
})

test('a call whose time is over while its version is learned is not answered', async (t) => {
  const { hold, call, passing, done, known, steps } = await open()
  known.newest = 1
  const asking = gate()
  steps.set('knows 1', asking)
  const a = call('a', 1)
  hold(a)
  await passing()
  a.isRefused = true
  asking.open()
  await passing()
  t.false(done().includes('accept a'))
})

test('a call of a version that was learned and lost again waits until it is learned anew, but not on a node that has stopped', async (t) => {
  for (const stops of [false, true]) {
    const { hold, call, passing, done, known, software, learning, steps } = await open()
    known.newest = 1
    const { at } = software.chain
    software.chain.at = () => undefined
    const loading = gate()
    steps.set('load 1', loading)
    hold(call('a', 1))
    await passing()
    if (stops) learning.stop()
    loading.open()
    await passing()
    t.is(done().includes('refuse a: version.unknown'), stops)
    software.chain.at = at
    await passing(100)
    t.is(done().includes('accept a'), !stops)
  }
})

test('calls that are over are asked for no more', async (t) => {
  const { hold, call, passing, done, known, steps } = await open()
  known.newest = 1
  steps.set('fetch 1', new Fault('upgrade.fetch', 'not now'))
  const a = call('a', 1)
  hold(a)
  a.isRefused = true
  await passing(100)
  await passing(400)
  t.is(done().filter((entry) => entry === 'knows 1').length, 1)
})

test('only so many calls are held', async (t) => {
  const { hold, call, done, learning } = await open()
  hold(call('a', 1), call('b', 1), call('c', 1), call('d', 1))
  t.is(done().at(-1), 'refuse d: unavailable.overloaded')
  t.is(learning.stop().length, 3)
  t.is(learning.held, 0)
})

test('a call beyond a cut gets the fault of the cut', async (t) => {
  const { hold, call, passing, done, known, steps } = await open()
  known.newest = 1
  steps.set('load 1', new Fault('upgrade.invalid', 'unfit'))
  hold(call('a', 1))
  await passing()
  t.true(done().includes('refuse a: version.rejected'))
})

// --- Burials

const aged: Generation = {
  number: 5,
  version: 3,
  className: 'Notes.v4',
  object: '5.3',
  simulations: { 0: '3.0', 1: '4.1', 2: '5.2', 4: '5.4' },
}

async function dropped(record: Partial<NodeRecord>, over: { readonly dead: number; readonly final: number }) {
  const opened = await open({ record: { newest: 4, generation: aged, ...record } })
  Object.assign(opened.known, over)
  const { record: before } = opened.recordStore
  opened.learning.dropDeadVersions()
  await opened.passing()
  const { oldest, generation } = opened.recordStore.record
  return {
    ...opened,
    seen: [oldest, Object.keys(generation.simulations).map(Number)],
    isSame: opened.recordStore.record === before,
  }
}

test('C8: versions that are dead are answered no more, and their states stay until nobody goes back', async (t) => {
  const { seen, done, kept } = await dropped({}, { dead: 2, final: 0 })
  t.deepEqual(seen, [2, [0, 1, 2, 4]])
  t.deepEqual(done(), ['chain'])
  t.not(kept('3.0'), undefined)
  const final = await dropped({}, { dead: 2, final: 2 })
  t.deepEqual(final.seen, [2, [2, 4]])
  t.is(final.kept('3.0'), undefined)
  t.is(final.kept('4.1'), undefined)
  t.not(final.kept('5.2'), undefined)
})

test('nothing of a node’s own version or of later ones is dropped, and what is dropped stays so', async (t) => {
  t.deepEqual((await dropped({}, { dead: 4, final: 4 })).seen, [3, [2, 4]])
  t.deepEqual((await dropped({ oldest: 2 }, { dead: 1, final: 1 })).seen, [2, [1, 2, 4]])
  const nothing = await dropped({ oldest: 2 }, { dead: 2, final: 0 })
  t.true(nothing.isSame)
  t.deepEqual(nothing.done(), [])
})

test('a drop that fails restarts the node', async (t) => {
  const { learning, known, software, passing, done } = await open({ record: { newest: 4, generation: aged } })
  Object.assign(known, { dead: 2, final: 2 })
  software.rebuildChain = () => {
    throw new Error('a link is missing')
  }
  learning.dropDeadVersions()
  await passing()
  t.deepEqual(done(), ['crash a link is missing'])
})

test('a drop is a turn of the mailbox; states that can not be swept are told of', async (t) => {
  const opened = await open({ record: { newest: 4, generation: aged } })
  Object.assign(opened.known, { dead: 2, final: 2 })
  const running = gate()
  opened.mailbox.post({ run: () => running.pass() })
  opened.learning.dropDeadVersions()
  await opened.passing()
  t.is(opened.recordStore.record.oldest, 0)
  opened.memory.failNextCommit(new Error('disk full'))
  running.open()
  await turns(opened.clock)
  await opened.passing()
  t.true(opened.done().some((entry) => entry === 'warning n1: states that nobody needs are not swept yet'))
})
