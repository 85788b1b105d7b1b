/**
 * How a node learns newer versions: beside its calls, once for all who wait, and again where something was
 * lost or could not be had. Versions that are dead it drops.
 */
import 'reflect-metadata'
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import type { Generation, NodeRecord } from '../../core/model/nodeRecord.js'
import { none } from '../../core/model/simulation.js'
import { gate } from '../support/testSystem.js'
import { turns } from './claiming.js'
import { born, message, open } from './nodeLearningFixture.js'
import { toV2 } from './notesClasses.js'

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
