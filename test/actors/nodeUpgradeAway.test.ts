/**
 * The effects of one upgrade on a node that has left its service: draining, transforming, flipping, and the
 * ways back (DESIGN §5).
 */
import 'reflect-metadata'
import test from 'ava'
import { NodeUpgrade } from '../../actors/upgrade/nodeUpgrade.js'
import type { UpgradingNode } from '../../actors/upgrade/upgradingNode.js'
import type { Fault } from '../../core/base/fault.js'
import { keys } from '../../core/model/nodeRecord.js'
import type { Write } from '../../core/ports/stateStore.js'
import { pack } from '../../core/wire/codec.js'
import { atMost, schedule } from '../../index.js'
import { gate } from '../support/testSystem.js'
import { turns } from './claiming.js'
import { born, message, never, type Options, open, transformed } from './upgradingNode.js'

// --- Draining

test('a drain learns, leaves the service, closes the mailbox, and stops the object with all on disk', async (t) => {
  const { effects, passing, through, all, node, steps, state } = await open()
  await through(effects.claim(never))
  const stopping = gate()
  steps.set('stop old 10000', stopping)
  let isOver = false
  const draining = effects.drain().then(() => (isOver = true))
  await passing()
  t.deepEqual(all(), ['restarted', 'learn 1', 'restarted', 'leave', 'close', 'stop old 10000'])
  t.true(node.isUpgrading)
  t.true(state.isCommitted)
  t.false(isOver)
  stopping.open()
  await draining
})

test('each step of a drain waits for the one before', async (t) => {
  const { effects, steps, clock, all } = await open()
  const gates = ['learn 1', 'leave'].map((name) => {
    const held = gate()
    steps.set(name, held)
    return held
  })
  const draining = effects.drain()
  draining.catch(() => {})
  await turns(clock)
  t.deepEqual(all(), ['restarted', 'learn 1'])
  gates[0]!.open()
  await turns(clock)
  t.deepEqual(all(), ['restarted', 'leave'])
  gates[1]!.open()
  await turns(clock)
  t.deepEqual(all(), ['close', 'stop old 10000'])
  await draining
})

test('a node that is being restarted is drained afterwards', async (t) => {
  const { effects, steps, clock, all } = await open()
  const held = gate()
  steps.set('restarted', held)
  const draining = effects.drain()
  await turns(clock)
  t.deepEqual(all(), ['restarted'])
  held.open()
  await draining
})

test('a node that restarts while it learns for its drain leaves its service afterwards', async (t) => {
  const { effects, node, through, passing, done } = await open()
  const restarting = gate()
  const restarts = [Promise.resolve(), restarting.pass()]
  node.whenRestarted = () => restarts.shift()!
  const draining = effects.drain()
  await passing()
  t.deepEqual(done(), ['learn 1'])
  t.false(node.isUpgrading)
  restarting.open()
  await through(draining)
  t.deepEqual(done(), ['leave', 'close', 'stop old 10000'])
})

test('the limit of the class upgrade holds beside that of the host, and one without a limit waits for the host’s alone', async (t) => {
  for (const limit of [atMost(1), undefined]) {
    const { effects, node, through, passing, clock, database, holders } = await open({
      schedule: limit === undefined ? schedule('at once', async () => {}) : limit,
    })
    Object.assign(node.services.settings, { limit: { nodes: 2 } })
    await database.claimPermit('pages', { nodeId: 'other', version: 1, isUndo: false }, { nodes: 1 })
    const claiming = effects.claim(never)
    await passing()
    t.deepEqual(await holders(), limit === undefined ? ['n1', 'other'] : ['other'])
    await database.releasePermit('pages', 'other')
    await turns(clock, 200)
    await through(claiming)
    t.deepEqual(await holders(), ['n1'])
  }
})

test('what can not be learned gives permit and place back before anything is taken apart', async (t) => {
  const { effects, through, steps, done, holders, node, clock } = await open()
  await through(effects.claim(never))
  t.deepEqual(await holders(), ['n1'])
  steps.set('learn 1', new Error('gone'))
  await t.throwsAsync(through(effects.drain()), message('gone'))
  t.deepEqual(done(), ['learn 1'])
  t.false(node.isUpgrading)
  await turns(clock)
  t.deepEqual(await holders(), [])
  t.false(node.services.upgradeQueue.isFull('pages'))
})

test('a call that does not end in time ends the drain: the node serves as before', async (t) => {
  const { effects, through, done, node, clock, mailbox, holders } = await open({ drainTimeout: 300 })
  await through(effects.claim(never))
  const running = gate()
  mailbox.post({ run: () => running.pass() })
  const draining = effects.drain()
  draining.catch(() => {})
  await turns(clock, 299)
  t.deepEqual(done(), ['learn 1', 'leave', 'close'])
  clock.advance(1)
  await t.throwsAsync(draining, message('the running call did not finish in 300 ms'))
  t.deepEqual(done(), ['serve'])
  t.false(node.isUpgrading)
  node.permit.release()
  await turns(clock)
  t.deepEqual(await holders(), [])
  running.open()
})

test('what the last call wrote, and the disk does not take, ends the drain: the node is opened anew from disk', async (t) => {
  const early = await open()
  early.state.write(keys.root('n1', '0.9'), pack({}))
  early.memory.failNextCommit(new Error('disk full'))
  await t.throwsAsync(early.through(early.effects.drain()), message('disk full'))
  t.deepEqual(early.done(), ['learn 1', 'lost'])
  const { effects, state, memory, steps, through, done, clock, node } = await open()
  const leaving = gate()
  steps.set('leave', leaving)
  const draining = effects.drain()
  draining.catch(() => {})
  await turns(clock)
  state.write(keys.root('n1', '0.9'), pack({}))
  memory.failNextCommit(new Error('disk full'))
  leaving.open()
  await t.throwsAsync(through(draining), message('disk full'))
  t.deepEqual(done(), ['learn 1', 'leave', 'close', 'lost', 'crash disk full'])
  t.false(node.isUpgrading)
})

test('a node that has forgotten meanwhile what it learned is not drained', async (t) => {
  const { effects, through, done, recordStore, node } = await open({ record: { newest: 0 } })
  await t.throwsAsync(through(effects.drain()), message('a learned version could not be written'))
  t.deepEqual(done(), ['learn 1', 'leave', 'close', 'serve'])
  t.is(recordStore.record.newest, 0)
  t.false(node.isUpgrading)
})

test('an upgrade of a node that stops is in nobody’s way', async (t) => {
  const { effects, through, node } = await open()
  await through(effects.claim(never))
  const places = { taken: 0 }
  while (!node.services.upgradeQueue.isFull('pages')) {
    await node.services.upgradeQueue.take('pages', never)
    places.taken++
  }
  effects.stop()
  t.false(node.services.upgradeQueue.isFull('pages'))
})

// --- Transforming, checking, flipping

test('a transform writes the new generation beside the old, after it has swept what an earlier try left', async (t) => {
  const { effects, through, root, state, onDisk, commit } = await open()
  for (const of of ['1.0', '1.1', '1.9'] as const) state.write(keys.root('n1', of), pack({ left: true }))
  await commit()
  await through(effects.transform())
  t.is(root('1.9'), undefined)
  t.deepEqual(root('1.1'), { notes: ['one'], stars: {} })
  t.deepEqual(root('1.0'), { mood: 'calm' })
  t.deepEqual(root('0.0'), { notes: ['one'], mood: 'calm' })
  t.deepEqual(onDisk().generation, born)
})

test('a transform that takes too long is given up, and writes nothing when it goes on', async (t) => {
  const held = gate()
  const { effects, through, clock, root, commit } = await open({ transformTimeout: 200, beforeTransform: () => held.pass() })
  const transforming = effects.transform()
  transforming.catch(() => {})
  for (let i = 0; i < 5; i++) await turns(clock)
  clock.advance(200)
  await t.throwsAsync(through(transforming), message('the transform did not finish in 200 ms'))
  held.open()
  await turns(clock)
  await commit()
  t.is(root('1.1'), undefined)
})

test('a transform of a node that has stopped writes nothing more', async (t) => {
  const held = gate()
  const { effects, through, clock, node, root, commit } = await open({ beforeTransform: () => held.pass() })
  const transforming = effects.transform()
  transforming.catch(() => {})
  await turns(clock)
  node.isEnding = true
  held.open()
  await t.throwsAsync(through(transforming), message('the transform was given up'))
  await commit()
  t.is(root('1.1'), undefined)
})

test('the new object is asked over the new generation, sends nothing, and what it writes is dropped', async (t) => {
  const { effects, through, done, recordStore, state, holder, steps } = await transformed()
  const checking = gate()
  steps.set('check silently', checking)
  const over = effects.check()
  t.is(recordStore.candidate?.version, 1)
  ;(holder.state as { notes: string[] }).notes.push('of the check')
  checking.open()
  await through(over)
  t.deepEqual(done(), ['make 1', 'check silently'])
  t.throws(() => state.touch('1.1'), { message: /none runs now/ })
})

test('a check that throws, or does not end in time, fails the upgrade with its reason', async (t) => {
  const failed = await transformed()
  failed.steps.set('check silently', new Error('no stars'))
  const fault = await t.throwsAsync(failed.effects.check(), message('no stars'))
  t.is((fault as Fault).code, 'upgrade.check')
  const slow = await transformed({ startTimeout: 100 })
  slow.steps.set('check silently', gate())
  const checking = slow.effects.check()
  checking.catch(() => {})
  slow.clock.advance(100)
  await t.throwsAsync(checking, message('selfCheck did not finish in 100 ms'))
})

test('one commit moves the pointer, and keeps the old generation until the node serves', async (t) => {
  const { effects, passing, through, onDisk, done, mailbox, recordStore, memory } = await transformed()
  await through(effects.check())
  done()
  t.false(mailbox.isOpen)
  let isOver = false
  const held = gate()
  memory.beforeCommit = () => held.pass()
  const flipping = effects.flip().then(() => (isOver = true))
  await passing()
  t.false(isOver)
  t.deepEqual(done(), [])
  t.deepEqual(recordStore.record.generation, born)
  held.open()
  await through(flipping)
  t.like(onDisk(), { previous: born, upgrade: { phase: 'recovering', target: 1, startsFailed: 0 } })
  t.is(onDisk().generation.version, 1)
  t.is(recordStore.candidate, undefined)
  t.deepEqual(done(), ['flipped'])
})

test('C11: nothing is flipped beside a call, nor without a new generation', async (t) => {
  const { effects, mailbox } = await transformed()
  mailbox.open()
  await t.throwsAsync(effects.flip(), message('C11: a call runs beside the flip'))
  await t.throwsAsync((await open()).effects.flip(), message('flipping without a new generation'))
})

// --- Recovering, and the ways back

async function flipped(options: Options = {}) {
  const opened = await transformed(options)
  const { effects, through, done } = opened
  await through(effects.check())
  await through(effects.flip())
  done()
  return opened
}

test('the object that was checked starts, and sends; then the old generation is swept and the node serves', async (t) => {
  const { effects, passing, through, onDisk, done, node, root } = await flipped()
  await through(effects.recover(0))
  t.deepEqual(done(), ['install', 'run start', 'serve'])
  t.like(onDisk(), { previous: null, upgrade: null })
  t.false(node.isUpgrading)
  await passing()
  t.is(root('0.0'), undefined)
  t.deepEqual(root('1.1'), { notes: ['one'], stars: {} })
})

test('a node that comes back after the flip makes its object anew, and remembers on disk how often it did not start', async (t) => {
  const { effects, passing, through, onDisk, done, node } = await flipped()
  effects.stop()
  node.isUpgrading = false
  const again = new NodeUpgrade(node as unknown as UpgradingNode, 1)
  const starting = gate()
  const { runStart } = node.software
  node.software.runStart = async (kept) => {
    await starting.pass()
    await runStart(kept)
  }
  const recovering = again.recover(2)
  await passing()
  t.true(node.isUpgrading)
  t.deepEqual(onDisk().upgrade, { phase: 'recovering', target: 1, startsFailed: 2 })
  starting.open()
  await through(recovering)
  t.deepEqual(done(), ['make 1', 'install', 'run start', 'serve'])
})

test('a start that fails leaves the record as it is on disk, and the next one makes the object anew', async (t) => {
  const { effects, through, onDisk, done, steps, recordStore, node } = await flipped()
  steps.set('run start', new Error('no port'))
  const fault = await t.throwsAsync(through(effects.recover(0)), message('no port'))
  t.is((fault as Fault).code, 'upgrade.start')
  t.deepEqual(done(), ['install', 'run start', 'discard'])
  t.is(onDisk().upgrade?.phase, 'recovering')
  t.deepEqual(recordStore.record, onDisk())
  t.true(node.isUpgrading)
  steps.delete('run start')
  await through(effects.recover(1))
  t.deepEqual(done(), ['make 1', 'install', 'run start', 'serve'])
})

test('a start whose commit fails is a failed start', async (t) => {
  const { effects, through, done, memory, recordStore, onDisk } = await flipped()
  memory.failNextCommit(new Error('disk full'))
  await t.throwsAsync(through(effects.recover(0)), message('disk full'))
  t.deepEqual(done(), ['install', 'run start', 'lost', 'discard'])
  t.is(recordStore.record.upgrade?.phase, 'recovering')
  t.deepEqual(recordStore.record, onDisk())
})

test('a start that does not end in time is a failed start', async (t) => {
  const { effects, through, steps, clock } = await flipped({ startTimeout: 100 })
  steps.set('run start', gate())
  const recovering = effects.recover(0)
  recovering.catch(() => {})
  await turns(clock)
  clock.advance(100)
  await t.throwsAsync(through(recovering), message('start() did not finish in 100 ms'))
})

test('a node that has stopped does not pass the point of no return', async (t) => {
  const before = await flipped()
  before.node.isEnding = true
  await t.throwsAsync(before.through(before.effects.recover(0)), message('the node has stopped'))
  t.deepEqual(before.done(), [])
  const { effects, through, steps, node, onDisk, done, commit } = await flipped()
  const starting = gate()
  steps.set('run start', starting)
  const recovering = effects.recover(0)
  recovering.catch(() => {})
  node.isEnding = true
  starting.open()
  await t.throwsAsync(through(recovering), message('the node was stopped while its new object was starting'))
  await commit()
  t.deepEqual(onDisk().previous, born)
  t.deepEqual(done(), ['install', 'run start', 'discard'])
})

test('one commit flips back: the old object starts, the upgrade is stalled, and the new generation is swept', async (t) => {
  const { effects, passing, through, onDisk, done, node, root, steps, memory } = await flipped()
  const starting = gate()
  steps.set('start old', starting)
  const held = gate()
  memory.beforeCommit = () => held.pass()
  const back = effects.flipBack('no port')
  await passing()
  t.deepEqual(done(), ['discard'])
  held.open()
  await passing()
  t.deepEqual(done(), ['start old'])
  t.like(onDisk(), { generation: born, previous: null, upgrade: { phase: 'stalled', target: 1, reason: 'no port' } })
  t.not(root('1.1'), undefined)
  starting.open()
  await through(back)
  t.deepEqual(done(), ['serve'])
  t.false(node.isUpgrading)
  await passing()
  t.is(root('1.1'), undefined)
  t.deepEqual(root('0.0'), { notes: ['one'], mood: 'calm' })
  await t.throwsAsync(effects.flipBack('again'), message('flipping back without an old generation'))
})

test('before the flip the old object starts again, and the new one and its generation are gone', async (t) => {
  const { effects, passing, through, done, node, root, recordStore, state } = await transformed()
  await through(effects.check())
  done()
  await through(effects.returnToOld())
  t.deepEqual(done(), ['stop new', 'discard', 'start old', 'serve'])
  t.is(recordStore.candidate, undefined)
  t.false(node.isUpgrading)
  t.throws(
    () => {
      state.begin('command')
      state.touch('1.1')
    },
    { message: /slot 1.1 is not open/ },
  )
  await passing()
  t.is(root('1.1'), undefined)
  await t.throwsAsync(effects.flip(), message('flipping without a new generation'))
  await through(effects.returnToOld())
  t.deepEqual(done(), ['discard', 'start old', 'serve'])
})

test('the ways to serve again leave the queue of the host, and the permit is given back', async (t) => {
  const recovered = await flipped()
  await recovered.through(recovered.effects.recover(0))
  const returned = await transformed()
  await returned.through(returned.effects.returnToOld())
  const restarting = await transformed()
  restarting.steps.set('start old', new Error('no port'))
  await restarting.through(restarting.effects.returnToOld())
  for (const { node, clock, holders } of [recovered, returned, restarting]) {
    node.permit.release()
    await turns(clock)
    t.deepEqual(await holders(), [])
  }
  const slow = await transformed()
  const starting = gate()
  slow.steps.set('start old', starting)
  let isOver = false
  const back = slow.effects.returnToOld().then(() => (isOver = true))
  await slow.passing()
  t.false(isOver)
  starting.open()
  await slow.through(back)
})

test('the next try writes its generation after what the one before left is swept', async (t) => {
  const { effects, passing, through, root, memory, commit } = await transformed()
  const held = gate()
  /** The last commit of the sweep. */
  const sweeps = (writes: readonly Write[]) => writes.some(([key]) => key === keys.root('n1', '1.1'))
  memory.beforeCommit = (writes) => (sweeps(writes) ? held.pass() : undefined)
  await through(effects.returnToOld())
  await passing()
  t.is(held.waiting, 1)
  const transforming = effects.transform()
  await passing()
  held.open()
  await through(transforming)
  await commit()
  t.deepEqual(root('1.1'), { notes: ['one'], stars: {} })
  t.deepEqual(root('1.0'), { mood: 'calm' })
})

test('an old object that does not start either leaves the node to its restarts', async (t) => {
  const { effects, through, done, node, steps } = await transformed()
  steps.set('start old', new Error('no port'))
  await through(effects.returnToOld())
  t.deepEqual(done(), ['discard', 'start old', 'crash no port'])
  t.false(node.isUpgrading)
  t.false(node.services.upgradeQueue.isFull('pages'))
})

test('a node that has stopped starts no old object, and sweeps nothing', async (t) => {
  const { effects, passing, through, done, node, root } = await transformed()
  node.isEnding = true
  await through(effects.returnToOld())
  t.deepEqual(done(), ['discard'])
  await passing()
  t.not(root('1.1'), undefined)
})

test('what can not be swept is told, and holds nothing up', async (t) => {
  const { effects, passing, through, done, memory } = await transformed()
  await through(effects.returnToOld().then(() => memory.failNextCommit(new Error('disk full'))))
  await passing()
  t.deepEqual(done(), ['discard', 'start old', 'serve', 'warning n1: the new generation is not swept yet'])
  const later = await flipped()
  await later.through(later.effects.recover(0).then(() => later.memory.failNextCommit(new Error('disk full'))))
  await later.passing()
  t.is(later.done().at(-1), 'warning n1: the old generation is not swept yet')
})
