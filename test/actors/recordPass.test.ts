/**
 * The work of a node in passing for its lazy transforms: records are made between two calls, and how far it
 * has come is on disk.
 */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { Mailbox } from '../../actors/serving/mailbox.js'
import { NodeRecordStore } from '../../actors/software/nodeRecordStore.js'
import { Journal } from '../../actors/state/journal.js'
import { NodeState } from '../../actors/state/nodeState.js'
import { type PassedNode, RecordPass, unmadeOf } from '../../actors/upgrade/recordPass.js'
import { Fault } from '../../core/base/fault.js'
import type { Phase } from '../../core/base/phases.js'
import { type Generation, keys, type LazySlot, type NodeRecord, type StateSlot } from '../../core/model/nodeRecord.js'
import type { RecordRules } from '../../core/model/recordTransform.js'
import { pack, unpack } from '../../core/wire/codec.js'
import { memoryStore } from '../../transports/memory/index.js'
import { gate } from '../support/testSystem.js'
import { ownerOf } from './mailboxOwner.js'
import { ManualClock } from './manualClock.js'

const lazySlot = (role: LazySlot['role'], next: LazySlot['next'], passed = 0): LazySlot => ({
  upgrade: 1,
  role,
  undoes: false,
  old: '0.0',
  beside: null,
  next,
  passed,
})

const generation: Generation = {
  number: 1,
  version: 1,
  className: 'Shelf.v2',
  object: '1.1',
  simulations: { 0: '1.0' },
  lazy: { '1.1': lazySlot('object', { books: '' }, 5), '1.0': lazySlot('pastSO', { loans: '' }) },
}

async function open() {
  const clock = new ManualClock()
  const memory = memoryStore()
  const journal = new Journal(await memory.open(), clock)
  const log: string[] = []
  const torn = { key: '' }
  const rules: RecordRules = Object.fromEntries(
    ['books', 'loans'].map((name) => [
      name,
      {
        from: 'books',
        beside: 'none',
        record(book: unknown, _beside: unknown, key: string) {
          if (key === torn.key) throw new Error('torn')
          return `${name} of ${book}`
        },
      },
    ]),
  )
  const state: NodeState = new NodeState('n1', journal, {
    lazyOf: (slot) => recordStore.lazyOf(slot),
    rulesOf: () => rules,
    recordFailed: (fault) => pass.failed(fault),
    stateLost() {},
  })
  const first: NodeRecord = {
    format: 2,
    nodeId: 'n1',
    service: 'shelves',
    facts: {},
    incarnation: 1,
    oldest: 0,
    newest: 1,
    generation,
    previous: null,
    upgrade: null,
  }
  const recordStore = new NodeRecordStore(first, state, journal, { dead: 0 })
  recordStore.write(first)
  for (const of of ['0.0', '1.1', '1.0'] as StateSlot[]) state.write(keys.root('n1', of), pack({}))
  for (const key of ['a', 'b', 'c']) state.write(`${keys.collection('n1', '0.0', 'books')}${key}`, pack(key.toUpperCase()))
  const mailbox = new Mailbox(clock, 100, ownerOf())
  mailbox.open()
  const node = {
    id: 'n1',
    services: {
      clock,
      journal,
      random: { next: () => 0 },
      settings: { ...defaultSettings, backoffMs: 100, backoffMsMax: 400 },
      passes: { add: () => void log.push('add'), remove: () => void log.push('remove') },
      observe: (event: { message: string }) => void log.push(event.message),
    },
    recordStore,
    state,
    mailbox,
    isUpgrading: false,
    isEnding: false,
    phase: 'current' as Phase,
    report: (...told: readonly unknown[]) => void log.push(told.join(' ')),
    crash: (error: Error) => void log.push(`crash ${error.message}`),
  }
  const pass: RecordPass = new RecordPass(node as unknown as PassedNode)
  const commit = async () => {
    for (let i = 0; i < 5; i++) {
      clock.endTurn()
      await journal.idle()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await commit()
  const made = (slot: StateSlot, name: string) => {
    const prefix = keys.collection('n1', slot, name)
    return [...journal.range(prefix, `${prefix.slice(0, -1)}0`)].map(([, value]) => unpack(value))
  }
  return { clock, memory, recordStore, state, mailbox, node, pass, torn, commit, made, done: () => log.splice(0) }
}

test('records are made in the order of their keys, the object’s first, so many at once, until nothing is left', async (t) => {
  const { pass, made, commit, recordStore, done } = await open()
  t.deepEqual(unmadeOf(recordStore.record.generation), { passed: 5, left: { books: '', loans: '' } })
  t.false(pass.isDone)
  t.is(pass.pass(2), 2)
  t.deepEqual(made('1.1', 'books'), ['books of A', 'books of B'])
  t.deepEqual(unmadeOf(recordStore.record.generation), { passed: 7, left: { books: 'c', loans: '' } })
  // Not before that is on disk.
  t.is(pass.pass(2), 0)
  await commit()
  t.is(pass.pass(2), 1)
  t.deepEqual(unmadeOf(recordStore.record.generation), { passed: 0, left: { loans: '' } })
  await commit()
  t.is(pass.pass(10), 3)
  t.deepEqual(made('1.0', 'loans'), ['loans of A', 'loans of B', 'loans of C'])
  t.is(recordStore.record.generation.lazy, undefined)
  t.is(unmadeOf(recordStore.record.generation), null)
  t.true(pass.isDone)
  await commit()
  t.deepEqual(made('0.0', 'books'), [], 'what they were made of is swept')
  t.deepEqual(done(), [])
  t.is(pass.pass(10), 0)
})

test('a node takes its turns while it has something to make, and none when it has stopped', async (t) => {
  const { pass, node, recordStore, commit, done } = await open()
  pass.start()
  pass.stop()
  t.deepEqual(done(), ['add', 'remove'])
  node.isEnding = true
  t.true(pass.isDone)
  node.isEnding = false
  for (let i = 0; i < 3; i++) {
    pass.pass(10)
    await commit()
  }
  t.is(recordStore.record.generation.lazy, undefined)
  pass.start()
  t.deepEqual(done(), [])
})

test('an empty collection was work too', async (t) => {
  const { pass, recordStore, commit } = await open()
  recordStore.write({
    ...recordStore.record,
    generation: { ...generation, lazy: { '1.1': lazySlot('object', { books: 'z' }), '1.0': lazySlot('pastSO', { loans: '' }) } },
  })
  await commit()
  t.is(pass.pass(10), 1)
})

test('records are made behind the call that runs, and not twice for it', async (t) => {
  const { pass, mailbox, made, commit } = await open()
  const running = gate()
  mailbox.post({ run: () => running.pass() })
  t.is(pass.pass(1), 0)
  t.is(pass.pass(1), 0)
  t.is(mailbox.waiting, 1)
  running.open()
  await commit()
  t.deepEqual(made('1.1', 'books'), ['books of A'])
  t.is(pass.pass(1), 1)
})

test('records are not made while the mailbox is closed, nor while the node upgrades', async (t) => {
  const { pass, mailbox, made, commit, node } = await open()
  node.isUpgrading = true
  t.is(pass.pass(1), 0)
  node.isUpgrading = false
  await mailbox.close()
  t.is(pass.pass(1), 0)
  await commit()
  t.deepEqual(made('1.1', 'books'), [])
  mailbox.open()
  await commit()
  t.deepEqual(made('1.1', 'books'), ['books of A'])
})

test('a record that can’t be made is told of once, tried again less and less often, and told as over when all are made', async (t) => {
  const { pass, torn, clock, commit, recordStore, done } = await open()
  torn.key = 'a'
  const told = 'current  record "a" of books can\'t be made for version 1: torn'
  t.is(pass.pass(10), 1)
  t.deepEqual(done(), [told])
  for (const pauseMs of [100, 200, 400, 400]) {
    clock.advance(pauseMs - 1)
    t.is(pass.pass(10), 0)
    clock.advance(1)
    t.is(pass.pass(10), 1)
  }
  t.deepEqual(done(), [])
  torn.key = ''
  clock.advance(400)
  t.is(pass.pass(10), 3)
  t.deepEqual(done(), [], 'loans are still to be made')
  await commit()
  torn.key = 'b'
  t.is(pass.pass(10), 1)
  await commit()
  t.is(pass.pass(10), 1)
  t.deepEqual(done(), ['current  record "b" of loans can\'t be made for version 1: torn'])
  clock.advance(99)
  t.is(pass.pass(10), 0)
  torn.key = ''
  clock.advance(1)
  t.is(pass.pass(10), 2)
  t.is(recordStore.record.generation.lazy, undefined)
  t.deepEqual(done(), ['current  '])
})

test('a failure that is over says so only while the node is current, and the next one is told again', async (t) => {
  for (const phase of ['current', 'scheduled'] as const) {
    const { pass, node, commit, recordStore, done } = await open()
    const failure = new Fault('upgrade.record', 'torn')
    pass.failed(failure)
    node.phase = phase
    for (let i = 0; i < 3; i++) {
      pass.pass(10)
      await commit()
    }
    t.is(recordStore.record.generation.lazy, undefined)
    t.deepEqual(done(), ['current  torn', ...(phase === 'current' ? ['current  '] : [])])
    node.phase = 'current'
    pass.failed(failure)
    t.deepEqual(done(), ['current  torn'])
  }
})

test('an error that is no fault restarts the node, and nothing was made', async (t) => {
  const { pass, state, recordStore, done } = await open()
  state.lazy.pass = () => {
    throw new TypeError('odd')
  }
  t.is(pass.pass(10), 0)
  t.deepEqual(done(), ['crash odd'])
  t.deepEqual(recordStore.record.generation, generation)
})

test('a node that is on its way to another version says nothing of records', async (t) => {
  const { pass, node, done } = await open()
  node.phase = 'scheduled'
  pass.failed(new Fault('upgrade.record', 'torn'))
  node.phase = 'current'
  node.isUpgrading = true
  pass.failed(new Fault('upgrade.record', 'torn'))
  t.deepEqual(done(), [])
  node.isUpgrading = false
  pass.failed(new Fault('upgrade.record', 'torn'))
  pass.failed(new Fault('upgrade.record', 'torn'))
  pass.failed(new Fault('upgrade.record', 'torn too'))
  t.deepEqual(done(), ['current  torn', 'current  torn too'])
})

test('what can not be swept is told of, and the node goes on', async (t) => {
  const { pass, memory, commit, done } = await open()
  pass.pass(10)
  await commit()
  pass.pass(10)
  memory.failNextCommit(new Error('disk full'))
  await commit()
  t.deepEqual(done(), ['n1: the states that its records were made of are not swept yet'])
})
