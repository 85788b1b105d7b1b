/**
 * One node's state between the calls that change it and the journal: what a call may write, what is kept of
 * it, and what is dropped.
 */
import 'reflect-metadata'
import test from 'ava'
import { Journal } from '../../actors/state/journal.js'
import { NodeState, type RootHolder, type StateOwner } from '../../actors/state/nodeState.js'
import { isFault } from '../../core/base/fault.js'
import { keys, type LazySlot, type StateSlot } from '../../core/model/nodeRecord.js'
import type { RecordRules } from '../../core/model/recordTransform.js'
import { pack, unpack } from '../../core/wire/codec.js'
import { memoryStore } from '../../transports/memory/index.js'
import { ManualClock } from './manualClock.js'

const [slot, beside] = ['0.0', '0.1'] as const

interface Root {
  total: number
  list: number[]
  odd?: unknown
}

class Holder implements RootHolder {
  state: object = {}
  checkRecord?: (collection: string, key: string, record: unknown) => unknown
  get root(): Root {
    return this.state as Root
  }
}

async function open(root: unknown = { total: 0, list: [] }) {
  const clock = new ManualClock()
  const memory = memoryStore()
  const journal = new Journal(await memory.open(), clock)
  const heard: unknown[] = []
  const lazy = new Map<StateSlot, LazySlot>()
  let rules: RecordRules = {}
  const owner: StateOwner = {
    lazyOf: (of) => lazy.get(of),
    rulesOf: () => rules,
    recordFailed: (fault) => void heard.push(fault),
    stateLost: (error) => void heard.push(error),
  }
  const state = new NodeState('n1', journal, owner)
  state.write(keys.root('n1', slot), pack(root))
  const holder = new Holder()
  state.open(slot, holder)
  const commit = async () => {
    clock.endTurn()
    await journal.idle()
  }
  await commit()
  const kept = (of: StateSlot = slot) => unpack(journal.get(keys.root('n1', of))!)
  const records = state.collection(slot, 'records')
  const all = (range = {}) => [...records.entries(range)].map(([key, value]) => `${key} ${value}`)
  /** Puts records that are kept. */
  const fill = (...found: readonly string[]) => {
    command(state, () => {
      for (const key of found) records.put(key, key.toUpperCase())
    })
  }
  const setRules = (other: RecordRules) => {
    rules = other
  }
  return { clock, memory, journal, state, holder, heard, lazy, setRules, commit, kept, records, all, fill }
}

function command(state: NodeState, work: () => void, touched: StateSlot = slot): void {
  call(state, 'command', () => {
    state.touch(touched)
    work()
  })
}

function query(state: NodeState, work: () => void): void {
  call(state, 'query', work)
}

/** Keeps what it has done, or drops it where it throws. */
function call(state: NodeState, kind: 'command' | 'query', work: () => void): void {
  const ticket = state.begin(kind)
  try {
    work()
    state.keep(ticket)
  } catch (error) {
    state.drop(ticket)
    throw error
  }
}

test('what a command has made of its root is written when it ends; one that changes nothing writes nothing', async (t) => {
  const { state, holder, kept, commit } = await open()
  t.true(state.isCommitted)
  command(state, () => void holder.root.total++)
  t.false(state.isCommitted)
  t.like(kept(), { total: 1 })
  await commit()
  t.true(state.isCommitted)
  command(state, () => void holder.root.list.push(...[]))
  t.true(state.isCommitted)
})

test('a node that has written nothing yet, or nothing since a loss, waits for no commit', async (t) => {
  const clock = new ManualClock()
  const memory = memoryStore()
  const journal = new Journal(await memory.open(), clock)
  const state = new NodeState('n2', journal)
  t.true(state.isCommitted)
  memory.failNextCommit(new Error('disk full'))
  state.write(keys.root('n2', slot), pack({}))
  clock.endTurn()
  await journal.idle()
  state.closeAll()
  t.true(state.isCommitted)
})

test('what is dropped is as it was before the call, and whether anything had been written is told', async (t) => {
  const { state, holder, kept, records } = await open()
  const { root } = holder
  const nothing = state.begin('command')
  state.touch(slot)
  t.false(state.drop(nothing))
  t.is(holder.root, root)
  const changed = state.begin('command')
  state.touch(slot)
  holder.root.total = 5
  t.true(state.drop(changed))
  t.like(holder.root, { total: 0 })
  const put = state.begin('command')
  records.put('a', 1)
  t.true(state.drop(put))
  t.is(records.get('a'), undefined)
  const odd = state.begin('command')
  state.touch(slot)
  holder.root.odd = new Map()
  t.throws(() => state.keep(odd), { message: /a Map/ })
  t.true(state.drop(odd))
  t.deepEqual(structuredClone(holder.root), { total: 0, list: [] })
  t.deepEqual(kept(), { total: 0, list: [] })
})

test('a call that ends too late ends no other: it keeps nothing and drops nothing', async (t) => {
  const { state, holder, kept, records } = await open()
  const late = state.begin('command')
  state.closeAll()
  t.false(state.keep(late))
  state.open(slot, holder)
  const running = state.begin('command')
  state.touch(slot)
  holder.root.total = 7
  records.put('a', 1)
  t.false(state.drop(late))
  t.false(state.keep(late))
  t.like(kept(), { total: 0 })
  t.true(state.keep(running))
  t.like(kept(), { total: 7 })
  t.is(records.get('a'), 1)
})

test('only commands write: not queries, and nobody between two calls', async (t) => {
  const { state, holder, records, kept } = await open()
  const writes = () => records.put('a', 1)
  const ofQuery = { message: 'a query may not write, nor call a command: mark the method @command' }
  query(state, () => {
    t.throws(writes, ofQuery)
    t.throws(() => records.delete('a'), ofQuery)
    t.throws(() => state.touch(slot), ofQuery)
  })
  const ofNobody = { message: 'state is written by commands, and in start(); none runs now (node n1)' }
  t.throws(writes, ofNobody)
  command(state, writes)
  t.throws(writes, ofNobody)
  const dropped = state.begin('command')
  state.drop(dropped)
  t.throws(writes, ofNobody)
  state.begin('command')
  state.closeAll()
  t.throws(writes, ofNobody)
  state.open(slot, holder)
  t.throws(() => query(state, () => void (holder.root.total = 9)), { message: /a query may not write to the state/ })
  t.like(holder.root, { total: 0 })
  t.like(kept(), { total: 0 })
})

test('whether queries write to their root is looked at again and again, and what one has done unseen is not its commit', async (t) => {
  const { state, holder } = await open()
  command(state, () => void holder.root.total++)
  const { batch } = state
  for (let i = 0; i < 64; i++) query(state, () => {})
  let unseen = 0
  const error = t.throws(() => {
    for (; unseen < 257; unseen++) query(state, () => void (holder.root.total = 100))
  })
  t.true(isFault(error) && error.code === 'protocol.query-writes')
  t.true(unseen > 1)
  t.is(state.batch, batch)
  t.like(holder.root, { total: 1 })
})

test('state that memory would have otherwise than the disk is put right, also after many commands', async (t) => {
  const { state, holder } = await open({ total: 0, list: [1] })
  for (let i = 0; i < 100; i++) command(state, () => void holder.root.total++)
  Object.assign(holder.root.list, { sum: 1 })
  for (let i = 0; i < 256; i++) command(state, () => void holder.root.total++)
  t.deepEqual(Object.keys(holder.root.list), ['0'])
})

test('in the first commands, and then again and again, the whole state is looked at, and not only its new parts', async (t) => {
  const { state, holder } = await open({ total: 0, list: [1] })
  command(state, () => void holder.root.total++)
  for (let i = 1; i < 64; i++) {
    command(state, () => void Object.assign(holder.root.list, { sum: i }))
    t.deepEqual(Object.keys(holder.root.list), ['0'], `command ${i}`)
  }
})

test('C2: a call that begins while another runs is refused, and an object that stops takes over from it', async (t) => {
  const { state, holder, kept, records, all, commit } = await open()
  const left = state.begin('command')
  state.touch(slot)
  holder.root.total = 7
  records.put('a', 'A')
  t.throws(() => state.begin('query'), { message: 'C2: n1: a query began while a command was running' })
  t.false(state.isOver(left))
  const stopping = state.takeOver('query')
  t.deepEqual([state.isOver(left), state.isOver(stopping)], [true, false])
  // All its writes are dropped, those before and those to come.
  t.throws(() => records.put('b', 'B'), { code: 'protocol.query-writes' })
  t.false(state.keep(left))
  state.drop(stopping)
  await commit()
  t.like(kept(), { total: 0 })
  t.deepEqual(all(), [])
  command(state, () => records.put('c', 'C'))
  t.deepEqual(all(), ['c C'])
})

test('a class without state begins with none, and its commands change nothing', async (t) => {
  const { state, holder, kept } = await open(null)
  command(state, () => {})
  t.is(kept(), null)
  const ticket = state.begin('command')
  state.touch(slot)
  holder.state = [1]
  t.throws(() => state.keep(ticket), { message: /state is a list: it has to be a record/ })
})

test('a slot has one holder, the last that opened it; others stay open when it is closed', async (t) => {
  const { state, holder, kept } = await open()
  const [second, other] = [new Holder(), new Holder()]
  state.write(keys.root('n1', beside), pack({ total: 10, list: [] }))
  state.open(beside, other)
  state.open(slot, second)
  command(state, () => {
    holder.root.total = 1
    second.root.total = 2
  })
  t.like(kept(), { total: 2 })
  state.close(slot)
  t.throws(() => command(state, () => {}), { message: /slot 0.0 is not open/ })
  command(state, () => void other.root.total++, beside)
  t.like(kept(beside), { total: 11 })
  state.closeAll()
  t.throws(() => command(state, () => {}, beside), { message: /slot 0.1 is not open/ })
  t.throws(() => state.open('9.9', new Holder()), { message: /n1: no state in slot 9.9/ })
})

test('a copy of a root has what the last call left, is nobody else’s, and is empty where there is none', async (t) => {
  const { state, holder } = await open()
  command(state, () => void holder.root.list.push(1))
  state.begin('command')
  state.touch(slot)
  holder.root.list.push(2)
  const copy = state.rootCopy(slot) as Root
  t.deepEqual(copy.list, [1])
  copy.list.push(3)
  t.deepEqual(structuredClone(state.rootCopy(slot)), { total: 0, list: [1] })
  state.closeAll()
  t.deepEqual(structuredClone(state.rootCopy(slot)), { total: 0, list: [1] })
  t.deepEqual(state.rootCopy('9.9'), {})
})

// --- Losses

test('after a commit that failed nothing is kept and nothing counts as committed, until all is opened again', async (t) => {
  const { memory, state, holder, heard, commit } = await open()
  const running = state.begin('command')
  memory.failNextCommit(new Error('disk full'))
  state.write(keys.root('n1', beside), pack({}))
  const waiting: unknown[] = []
  state.whenCommitted({ settled: (error) => void waiting.push(error) })
  t.false(state.isLost)
  state.throwIfLost()
  await commit()
  state.write(keys.root('n1', beside), pack({}))
  await commit()
  t.true(state.isLost)
  t.false(state.isCommitted)
  t.is(heard.length, 1)
  const lost = { message: 'the state could not be written' }
  state.whenCommitted({ settled: (error) => void waiting.push(error) })
  t.is(waiting.length, 2)
  t.true(waiting.every((error) => error !== undefined))
  t.like(waiting[1], lost)
  state.touch(slot)
  holder.root.total = 1
  t.throws(() => state.keep(running), lost)
  t.throws(() => state.throwIfLost(), lost)
  state.drop(running)
  state.closeAll()
  t.false(state.isLost)
  t.true(state.isCommitted)
  state.whenCommitted({ settled: (error) => void waiting.push(error) })
  t.is(waiting[2], undefined)
  state.open(slot, holder)
  command(state, () => void holder.root.total++)
  await commit()
  t.true(state.isCommitted)
})

test('what is closed and opened again without a loss is still waited for', async (t) => {
  const { state, holder, commit } = await open()
  command(state, () => void holder.root.total++)
  state.closeAll()
  t.false(state.isCommitted)
  const heard: unknown[] = []
  state.whenCommitted({ settled: (error) => void heard.push(error) })
  t.deepEqual(heard, [])
  await commit()
  t.deepEqual(heard, [undefined])
})

// --- Collections

test('a call sees its own writes over what is kept, and nobody else does before it ends', async (t) => {
  const { state, records, all, fill } = await open()
  fill('a', 'b', 'c')
  const ticket = state.begin('command')
  records.put('b', 'new')
  records.put('bb', 'between')
  records.delete('c')
  t.deepEqual([records.get('a'), records.get('b'), records.get('c'), records.get('d')], ['A', 'new', undefined, undefined])
  t.deepEqual([records.has('a'), records.has('bb'), records.has('c'), records.has('d')], [true, true, false, false])
  t.deepEqual(all(), ['a A', 'b new', 'bb between'])
  state.drop(ticket)
  t.deepEqual(all(), ['a A', 'b B', 'c C'])
  command(state, () => records.delete('b'))
  t.deepEqual(all(), ['a A', 'c C'])
  t.false(records.has('b'))
})

test('a range begins with its first key and ends before its last, for kept records and for the call’s own', async (t) => {
  const { state, records, all, fill } = await open()
  fill('b', 'c', 'd', 'zebra')
  t.deepEqual(all({ from: 'b', to: 'd' }), ['b B', 'c C'])
  t.deepEqual(all({ from: 'c', limit: 2 }), ['c C', 'd D'])
  t.deepEqual(all({ limit: 0 }), [])
  t.deepEqual(all(), ['b B', 'c C', 'd D', 'zebra ZEBRA'])
  state.begin('command')
  for (const key of ['zulu', 'c', 'a', 'd', 'b']) records.put(key, 'own')
  t.deepEqual(all({ from: 'b', to: 'd' }), ['b own', 'c own'])
  t.deepEqual(all({ from: 'd' }), ['d own', 'zebra ZEBRA', 'zulu own'])
  t.deepEqual(all({ to: 'b' }), ['a own'])
  t.deepEqual(all({ limit: 2 }), ['a own', 'b own'])
})

test('an object that has stopped writes no record into another’s call', async (t) => {
  const { state } = await open()
  const records = state.collection(slot, 'records', () => {
    throw new Error('stopped')
  })
  state.begin('command')
  t.throws(() => records.put('a', 1), { message: 'stopped' })
  t.throws(() => records.delete('a'), { message: 'stopped' })
})

test('a key is a text of 1 to 1,024 bytes without NUL', async (t) => {
  const { state, records } = await open()
  state.begin('command')
  records.put('k'.repeat(1024), 1)
  for (const key of ['', 'a\0b', 'k'.repeat(1025), 'ä'.repeat(513), 7 as never, undefined as never, ['a'] as never]) {
    const error = t.throws(() => records.put(key, 1), {
      message: /^collection key .*: use a string of 1 to 1024 bytes without NUL$/,
    })
    t.true(isFault(error) && error.code === 'protocol.bad-arguments')
    t.throws(() => records.get(key), { message: /^collection key/ })
    t.throws(() => records.has(key), { message: /^collection key/ })
    t.throws(() => records.delete(key), { message: /^collection key/ })
  }
})

// --- Records that are still to be made

/** The records of slot 1.1 are those of 0.0, shouting. */
async function lazily() {
  const opened = await open()
  const { state, lazy, setRules, fill } = opened
  fill('a', 'b', 'c')
  state.write(keys.root('n1', '1.1'), pack({}))
  const holder = new Holder()
  state.open('1.1', holder)
  lazy.set('1.1', {
    upgrade: 1,
    old: slot,
    beside: null,
    role: 'object',
    undoes: false,
    next: { records: '' },
    passed: 0,
  } as LazySlot)
  setRules({
    records: {
      from: 'records',
      beside: 'none',
      record(old, _beside, key) {
        if (key === 'b') throw new Error('can not shout')
        return old === undefined ? undefined : `${old}!`
      },
    },
  } as RecordRules)
  const made = state.collection('1.1', 'records')
  const all = (range = {}) => [...made.entries(range)].map(([key, value]) => `${key} ${value}`)
  return { ...opened, holder, made, all }
}

test('records that are still to be made are read as if they were, and a call’s own writes lie over them', async (t) => {
  const { state, made, all, kept } = await lazily()
  t.is(made.get('a'), 'A!')
  t.deepEqual([made.has('a'), made.has('d')], [true, false])
  t.true(state.isLazy('1.1', 'records'))
  t.false(state.isLazy('1.1', 'others'))
  t.false(state.isLazy(slot, 'records'))
  const ticket = state.begin('command')
  made.put('b', 'own')
  made.delete('c')
  made.put('d', 'own')
  made.delete('d')
  t.deepEqual([made.get('b'), made.get('c'), made.has('b'), made.has('c')], ['own', undefined, true, false])
  t.deepEqual(all(), ['a A!', 'b own'])
  t.deepEqual(all({ from: 'b' }), ['b own'])
  t.deepEqual(all({ to: 'b' }), ['a A!'])
  t.true(state.keep(ticket))
  t.deepEqual(all(), ['a A!', 'b own'])
  t.deepEqual([made.has('b'), made.has('c'), made.get('c')], [true, false, undefined])
  t.deepEqual(kept('1.1'), {})
})

test('what is deleted leaves a trace only where it would be made again', async (t) => {
  const { state, journal, made } = await lazily()
  command(
    state,
    () => {
      made.delete('a')
      made.delete('z')
    },
    '1.1',
  )
  const prefix = keys.collection('n1', '1.1', 'records')
  t.not(journal.get(`${prefix}a`), undefined)
  t.is(journal.get(`${prefix}z`), undefined)
})

test('a call that asks for a record that can’t be made fails whatever its method makes of it, and the next one does not', async (t) => {
  const { state, made, heard } = await lazily()
  const ticket = state.begin('command')
  const fault = t.throws(() => made.get('b'))
  t.is(state.spoilt, fault as never)
  t.throws(() => made.has('b'))
  t.is(state.spoilt, fault as never, 'the first reason counts')
  t.deepEqual(heard.length, 2)
  t.is(
    t.throws(() => state.keep(ticket)),
    fault,
  )
  state.drop(ticket)
  t.is(state.spoilt, undefined)
  command(state, () => {}, '1.1')
  // Between two calls it spoils nobody's.
  t.throws(() => made.get('b'))
  t.is(state.spoilt, undefined)
})

test('a record that is made is looked at by the object that it is for, if that is there and looks', async (t) => {
  const { state, holder, made } = await lazily()
  const seen: unknown[] = []
  holder.checkRecord = (...record) => void seen.push(record)
  t.is(made.get('a'), 'A!')
  t.deepEqual(seen, [['records', 'a', 'A!']])
  state.close('1.1')
  t.is(made.get('a'), 'A!')
  t.is(seen.length, 1)
})
