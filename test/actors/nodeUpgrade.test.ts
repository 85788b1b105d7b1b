/**
 * The effects of one upgrade on a node while it serves: fetching, verifying, scheduling,
 * advancing (DESIGN §5).
 */
import 'reflect-metadata'
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import type { Control } from '../../core/control/control.js'
import type { StateSlot } from '../../core/model/nodeRecord.js'
import { schedule } from '../../index.js'
import { gate } from '../support/testSystem.js'
import { turns } from './claiming.js'
import { born, message, never, open, retry } from './upgradingNode.js'

// --- What is told and kept of phases

test('each phase is told with its version, and with its reason where one waits for something', async (t) => {
  const { effects, done } = await open()
  for (const phase of ['fetching', 'rejected', 'scheduled', 'draining', 'current'] as const) effects.tell(phase, 'why')
  t.deepEqual(done(), ['fetching 1 why', 'rejected 1 why', 'scheduled 1 why', 'draining 1 ', 'current  '])
  effects.entered('stalled', 'why')
  t.deepEqual(done(), ['stalled 1 why'])
})

test('C10: a phase that an operator has to know the reason of is never told without one; others have none', async (t) => {
  for (const phase of ['stalled', 'rejected'] as const)
    for (const nothing of ['', null]) {
      const { effects, done, recordStore } = await open()
      const why = `C10: n1 is ${phase} without a reason`
      t.throws(() => effects.entered(phase, nothing), message(why))
      t.deepEqual(done(), [`${phase} 1 ${why}`])
      t.deepEqual(recordStore.record.upgrade, phase === 'stalled' ? { phase, target: 1, reason: why } : null)
    }
  const { effects, node } = await open()
  const reasons: unknown[] = []
  node.report = (...told) => void reasons.push(told[2])
  for (const phase of ['fetching', 'scheduled', 'draining', 'current'] as const)
    for (const nothing of ['', null]) effects.entered(phase, nothing)
  t.deepEqual(reasons, Array(8).fill(null))
})

test('a stalled upgrade stays so on disk, with its first reason, until another phase begins', async (t) => {
  const { effects, recordStore, onDisk, commit } = await open()
  effects.entered('stalled', 'why')
  await commit()
  t.deepEqual(onDisk().upgrade, { phase: 'stalled', target: 1, reason: 'why' })
  effects.entered('stalled', 'why else')
  t.deepEqual(recordStore.record.upgrade, { phase: 'stalled', target: 1, reason: 'why' })
  effects.entered('scheduled', null)
  await commit()
  t.is(onDisk().upgrade, null)
})

test('a phase that changes nothing on disk writes nothing', async (t) => {
  const { effects, recordStore, state, commit } = await open()
  await commit()
  const { batch } = state
  const { record } = recordStore
  for (const phase of ['scheduled', 'draining', 'rejected', 'current'] as const) effects.entered(phase, 'why')
  t.is(state.batch, batch)
  t.is(recordStore.record, record)
  await open({ record: { upgrade: { phase: 'recovering', target: 1, startsFailed: 2 } } }).then((recovering) => {
    recovering.effects.entered('recovering', null)
    t.is(recovering.recordStore.record.upgrade?.phase, 'recovering')
  })
})

test('a retry that was ordered before the upgrade stalled or was rejected is not its own', async (t) => {
  const stalled = await open()
  stalled.control(retry('before'))
  stalled.effects.entered('scheduled', null)
  t.is(stalled.recordStore.record.heededRetry, undefined)
  stalled.effects.entered('stalled', 'why')
  t.is(stalled.recordStore.record.heededRetry, 'before')
  stalled.control(retry('after'))
  stalled.effects.entered('stalled', 'again')
  t.is(stalled.recordStore.record.heededRetry, 'before', 'one that is stalled already may still heed it')
  const rejected = await open({ record: { heededRetry: 'long ago' } })
  rejected.effects.entered('rejected', 'why')
  t.is(rejected.recordStore.record.heededRetry, 'long ago')
  rejected.control(retry('before'))
  rejected.effects.entered('rejected', 'why')
  await rejected.commit()
  t.is(rejected.onDisk().heededRetry, 'before')
})

test('each order to try again is heeded once', async (t) => {
  const { effects, control, through, onDisk, done } = await open({ record: { heededRetry: 'one' } })
  control(retry('one'))
  let isOver = false
  const waiting = effects.awaitRetry(never).then(() => (isOver = true))
  await through(Promise.resolve())
  t.false(isOver)
  control({ ...retry('two'), version: 2 } as Control)
  t.false(isOver)
  control(retry('two'))
  await through(waiting)
  t.is(onDisk().heededRetry, 'two')
  t.deepEqual(done(), ['reconsider'])
})

test('an order that was heeded before is no other one when the database brings it back', async (t) => {
  const { effects, control, through, onDisk } = await open({ record: { heededRetry: 'two', heededBefore: ['one'] } })
  control(retry('one'))
  let isOver = false
  const waiting = effects.awaitRetry(never).then(() => (isOver = true))
  await through(Promise.resolve())
  t.false(isOver)
  control(retry('three'))
  await through(waiting)
  t.is(onDisk().heededRetry, 'three')
  t.deepEqual(onDisk().heededBefore, ['two', 'one'])
})

test('an order that the database has brought back when the upgrade stalls takes the place of none', async (t) => {
  const { effects, control, recordStore } = await open({ record: { heededRetry: 'two', heededBefore: ['one'] } })
  control(retry('one'))
  effects.entered('stalled', 'why')
  t.is(recordStore.record.heededRetry, 'two')
  t.deepEqual(recordStore.record.heededBefore, ['one'])
})

test('an order that the disk does not take is not lost: the node restarts and tries again', async (t) => {
  const { effects, control, memory, through, all, steps } = await open()
  memory.failNextCommit(new Error('disk full'))
  control(retry('one'))
  steps.set('reconsider', new Error('not yet'))
  await t.throwsAsync(through(effects.awaitRetry(never)), message('not yet'))
  t.deepEqual(all(), ['lost', 'restarted', 'reconsider'])
})

test('waiting for a retry ends with the upgrade', async (t) => {
  const { effects } = await open()
  const over = new AbortController()
  const waiting = effects.awaitRetry(over.signal)
  over.abort(new Error('undone'))
  await t.throwsAsync(waiting, message('undone'))
})

// --- Fetching and verifying

test('what concerns the node is loaded with its manifest, and nothing else', async (t) => {
  const concerned = await open()
  const fetching = gate()
  concerned.steps.set('fetch 1', fetching)
  const both = concerned.effects.fetch()
  await concerned.passing()
  t.deepEqual(concerned.done(), ['fetch 1'])
  fetching.open()
  await both
  t.deepEqual(concerned.done(), ['load 1'])
  const other = await open({ undos: [1] })
  await other.effects.fetch()
  t.deepEqual(other.done(), ['fetch 1'])
  const ahead = await open({ target: 2 })
  ahead.services.history.newest = 1
  await ahead.effects.fetch()
  t.deepEqual(ahead.done(), ['fetch 2'])
})

test('what could not be had is fetched again; what does not fit is left to the verification', async (t) => {
  const { effects, steps } = await open()
  for (const error of [new Fault('upgrade.fetch', 'not now'), new Fault('unavailable.disconnected', 'away'), new Error('odd')]) {
    steps.set('load 1', error)
    t.is(await t.throwsAsync(effects.fetch()), error)
  }
  for (const code of ['upgrade.digest', 'upgrade.invalid'] as const) {
    steps.set('load 1', new Fault(code, 'unfit'))
    await t.notThrowsAsync(effects.fetch())
  }
})

test('an upgrade is verified once it is learned: whether it concerns the node, or why it is rejected', async (t) => {
  const { effects, steps, software, recordStore } = await open({ record: { newest: 0 } })
  const learning = gate()
  steps.set('learn 1', learning)
  software.rejected = new Fault('version.rejected', 'it is unfit')
  const verifying = effects.verify()
  await new Promise((resolve) => setImmediate(resolve))
  recordStore.write({ ...recordStore.record, newest: 1 })
  learning.open()
  t.deepEqual(await verifying, { concerned: true })
  software.rejected = new Fault('version.rejected', 'of a later one')
  t.deepEqual(await effects.verify(), { concerned: true })
  recordStore.write({ ...recordStore.record, newest: 0 })
  await t.throwsAsync(effects.verify(), message('of a later one'))
  software.rejected = undefined
  t.deepEqual(await effects.verify(), { concerned: true })
  t.deepEqual(await (await open({ undos: [1] })).effects.verify(), { concerned: false })
})

// --- Advances

test('an advance is a turn of the mailbox, on disk when it has ended; the state is the same', async (t) => {
  const { effects, through, onDisk, done, mailbox, clock } = await open()
  const running = gate()
  mailbox.post({ run: () => running.pass() })
  const advancing = effects.advance()
  for (let i = 0; i < 3; i++) await turns(clock)
  t.deepEqual(done(), ['learn 1'])
  t.is(onDisk().generation.version, 0)
  running.open()
  await through(advancing)
  t.deepEqual(onDisk().generation, { ...born, version: 1 })
  t.deepEqual(done(), ['chain'])
})

test('a node that was behind serves again when it has advanced', async (t) => {
  const { effects, through, done } = await open({ isAtDeadVersion: true })
  await through(effects.advance())
  t.deepEqual(done(), ['learn 1', 'chain', 'serve'])
})

test('an advance is given up for a call that does not end, does not come later, and is tried again when the call ends', async (t) => {
  const { effects, through, onDisk, clock, mailbox, recordStore } = await open()
  const running = gate()
  mailbox.post({ run: () => running.pass() })
  const advancing = effects.advance()
  advancing.catch(() => {})
  await turns(clock, 499)
  t.is(mailbox.waiting, 1)
  clock.advance(1)
  await t.throwsAsync(through(advancing), message('the running call did not finish in 500 ms'))
  let isAsked = false
  const waiting = effects.awaitRetry(never).then(() => (isAsked = true))
  await turns(clock)
  t.false(isAsked)
  running.open()
  await through(waiting)
  t.is(recordStore.record.generation.version, 0)
  t.is(onDisk().generation.version, 0)
  // From now on only an operator's word counts.
  isAsked = false
  const over = new AbortController()
  void effects.awaitRetry(over.signal).then(
    () => (isAsked = true),
    () => {},
  )
  await turns(clock)
  t.false(isAsked)
  over.abort()
})

test('an advance that took too long while no call ran says so, and is tried again by itself', async (t) => {
  const { effects, through, steps, clock, recordStore } = await open()
  const learned = gate()
  steps.set('learn 1', learned)
  const advancing = effects.advance()
  advancing.catch(() => {})
  await turns(clock)
  clock.advance(500)
  await t.throwsAsync(through(advancing), message('the node did not come to advance in 500 ms'))
  await through(effects.awaitRetry(never))
  learned.open()
  await through(effects.advance())
  t.is(recordStore.record.generation.version, 1)
})

test('an advance that was given up is not made again when it fails later', async (t) => {
  const { effects, passing, steps, clock, done } = await open()
  const learned = gate()
  steps.set('learn 1', learned)
  const advancing = effects.advance()
  advancing.catch(() => {})
  await passing()
  clock.advance(500)
  await t.throwsAsync(advancing, message('the node did not come to advance in 500 ms'))
  learned.fail(new Error('never learned'))
  await passing()
  t.deepEqual(done(), ['learn 1'])
})

test('an advance that failed for another reason waits for an operator', async (t) => {
  const { effects, through, steps, clock, done } = await open()
  steps.set('learn 1', new Error('never learned'))
  await t.throwsAsync(through(effects.advance()), message('never learned'))
  t.deepEqual(
    done().filter((entry) => entry === 'learn 1'),
    Array(6).fill('learn 1'),
  )
  let isAsked = false
  void effects.awaitRetry(never).then(() => (isAsked = true))
  await turns(clock)
  t.false(isAsked)
})

test('an advance that the disk does not take is made again after the restart, but not by a node that has stopped', async (t) => {
  const { effects, passing, through, memory, node, onDisk, all, state, recordStore } = await open()
  memory.failNextCommit(new Error('disk full'))
  const restarted = gate()
  node.whenRestarted = async () => {
    all()
    await restarted.pass()
    state.closeAll()
    recordStore.reload()
  }
  const advancing = effects.advance()
  await passing()
  t.is(restarted.waiting, 1)
  t.deepEqual(all(), [])
  restarted.open()
  await through(advancing)
  t.is(onDisk().generation.version, 1)
  const stopped = await open()
  stopped.memory.failNextCommit(new Error('disk full'))
  stopped.node.isEnding = true
  await t.throwsAsync(stopped.through(stopped.effects.advance()), message('disk full'))
})

test('an advance does not go past what has been learned', async (t) => {
  const { effects, through, recordStore } = await open({ record: { newest: 0 } })
  await t.throwsAsync(through(effects.advance()), message('a learned version could not be written'))
  t.is(recordStore.record.generation.version, 0)
})

test('an advance whose commit takes longer than its time is not given up any more', async (t) => {
  const { effects, passing, through, memory, clock, onDisk } = await open()
  const held = gate()
  memory.beforeCommit = () => held.pass()
  let isOver = false
  const advancing = effects.advance().then(() => (isOver = true))
  await passing()
  clock.advance(600)
  await turns(clock)
  t.false(isOver)
  held.open()
  await through(advancing)
  t.is(onDisk().generation.version, 1)
})

test('an upgrade that is undone before the node went forward is passed, and its future-SO becomes a past-SO with its state', async (t) => {
  const { effects, through, onDisk, done, recordStore, node } = await open({
    record: { newest: 2, generation: { ...born, simulations: { 1: '0.1', 7: '0.7' } } },
    undos: [2],
  })
  await through(effects.claim(never))
  await through(effects.skip())
  t.deepEqual(done(), ['learn 2', 'learn 2', 'chain', 'serve'])
  t.is(onDisk().generation.version, 2)
  t.deepEqual(onDisk().generation.simulations, { 1: '0.1', 7: '0.7' })
  t.is(recordStore.record.upgrade, null)
  // Nothing holds its slot any more.
  node.permit.release()
  await turns(node.services.clock as never)
  t.deepEqual(await node.services.database.claimPermit('pages', { nodeId: 'n2', version: 1, isUndo: false }, { nodes: 1 }), {
    claimed: true,
  })
})

test('an undo is not passed before its learning has ended', async (t) => {
  const { effects, passing, through, steps, recordStore, onDisk } = await open({ undos: [2] })
  const learning = gate()
  steps.set('learn 2', learning)
  const skipping = effects.skip()
  await passing()
  recordStore.write({ ...recordStore.record, newest: 2 })
  learning.open()
  await through(skipping)
  t.is(onDisk().generation.version, 2)
})

test('the past-SO that stands for an undo stays that of its own version where the node goes on as it is', async (t) => {
  const at1 = { number: 1, version: 1, className: 'Notes.v2', object: '0.0' as StateSlot, simulations: { 0: '0.1' as StateSlot } }
  const unaffected = await open({ target: 2, record: { newest: 2, generation: at1 }, undos: [2] })
  await unaffected.through(unaffected.effects.advance())
  t.deepEqual(unaffected.onDisk().generation, { ...at1, version: 2 })
  const stateless = await open({ target: 2, record: { newest: 3, generation: { ...at1, simulations: {} } }, undos: [2, 3] })
  await stateless.through(stateless.effects.skip())
  t.deepEqual(stateless.onDisk().generation, { ...at1, version: 3, simulations: {} })
})

test('where an undo is passed because it is undone itself, the past-SO that stood for it is the past-SO of its version', async (t) => {
  const at1 = { number: 1, version: 1, className: 'Notes.v2', object: '0.0' as StateSlot, simulations: { 0: '0.1' as StateSlot } }
  const { effects, through, onDisk } = await open({
    target: 2,
    record: { newest: 3, generation: at1 },
    undos: [2, 3],
  })
  await through(effects.skip())
  t.is(onDisk().generation.version, 3)
  t.deepEqual(onDisk().generation.simulations, { 2: '0.1' })
})

test('an undo is not passed before it is learned', async (t) => {
  const { effects, through, software } = await open({ undos: [2] })
  await t.throwsAsync(through(effects.skip()), message('the undo of version 1 is not learned yet'))
  software.rejected = new Fault('version.rejected', 'it is unfit')
  await t.throwsAsync(through(effects.skip()), message('it is unfit'))
})

// --- Scheduling

const endless = schedule('never', () => new Promise(() => {}))

test('the scheduling function says when; a node that is behind does not ask it', async (t) => {
  const signal = gate()
  const { effects, passing } = await open({ schedule: schedule('when the test says so', () => signal.pass()) })
  let isOver = false
  const scheduling = effects.schedule(never).then(() => (isOver = true))
  await passing()
  t.false(isOver)
  signal.open()
  await scheduling
  await t.notThrowsAsync((await open({ schedule: endless, isAtDeadVersion: true })).effects.schedule(never))
})

test('an operator’s word ends the scheduling function, which is waited for', async (t) => {
  const ended = gate()
  let isTold = false
  const waits = schedule('until it is told to end', async (view) => {
    await view.sleep(3_600_000).catch(() => {
      isTold = true
    })
    await ended.pass()
  })
  const { effects, passing, control } = await open({ schedule: waits })
  let isOver = false
  const scheduling = effects.schedule(never).then(() => (isOver = true))
  await passing()
  control({ kind: 'now', nodeId: 'n2', version: 1, since: 0 })
  await passing()
  t.false(isTold)
  control({ kind: 'now', nodeId: 'n1', version: 1, since: 0 })
  await passing()
  t.true(isTold)
  t.false(isOver)
  ended.open()
  await scheduling
})

test('a scheduling function that throws stalls the upgrade with its reason, and nobody waits for an operator’s word any more', async (t) => {
  const fails = schedule('fails', async () => {
    throw new Error('no table')
  })
  const { effects, services } = await open({ schedule: fails })
  let told: AbortSignal | undefined
  const { until } = services.controls
  services.controls.until = (holds, signal) => {
    told = signal
    return until(holds, signal)
  }
  const fault = await t.throwsAsync(effects.schedule(never), message('no table'))
  t.is((fault as Fault).code, 'upgrade.schedule')
  t.true(told!.aborted)
})

test('a scheduling function sees its node: who it is, its state, and how many calls it has answered', async (t) => {
  const seen: unknown[] = []
  const looks = schedule('looks', async (view) => {
    seen.push(view.nodeId, view.calls(), structuredClone(view.state))
  })
  const { effects } = await open({ schedule: looks })
  await effects.schedule(never)
  t.deepEqual(seen, ['n1', { answered: 0, failed: 0 }, { notes: ['one'], mood: 'calm' }])
})
