/**
 * Records that are made when they are asked for (§8): of which others, in which order, and
 * where they are as they were before.
 */
import test from 'ava'
import { LazyRecords, tombstone } from '../../actors/state/lazyRecords.js'
import type { Fault } from '../../core/base/fault.js'
import { keys, type LazySlot, type StateSlot } from '../../core/model/nodeRecord.js'
import type { RecordRules } from '../../core/model/recordTransform.js'
import { compareKeys } from '../../core/ports/stateStore.js'
import { pack, unpack } from '../../core/wire/codec.js'

/** Version 1 makes its books of those of version 0 and of its future-SO's notes; its past-SO's loans too. */
const forward: RecordRules = {
  books: {
    from: 'books',
    beside: 'notes',
    record: (book, note, key) => {
      if (book === 'torn') throw new Error('a torn book')
      return book === 'lost' ? undefined : `${key}: ${book}, ${note}`
    },
  },
  loans: { from: 'books', beside: 'loans', record: (book) => `loans of ${book}` },
}

/** Version 2 takes version 1 back. */
const back: RecordRules = {
  books: { from: 'books', beside: 'loans', record: (book, loans) => `${book} back, ${loans}` },
  notes: { from: 'books', beside: 'notes', record: (book) => `note of ${book}` },
}

const made = (rest: Partial<LazySlot> = {}): LazySlot => ({
  upgrade: 1,
  role: 'object',
  undoes: false,
  old: '0.0',
  beside: '0.1',
  next: { books: '' },
  passed: 0,
  ...rest,
})

function open(lazy: Readonly<Record<StateSlot, LazySlot>>, check?: (...record: readonly unknown[]) => unknown) {
  const data = new Map<string, Uint8Array>()
  const faults: Fault[] = []
  /** Ranges that are being read. */
  let reading = 0
  const records = new LazyRecords(
    'n1',
    {
      get: (key) => data.get(key),
      *range(from, to) {
        reading++
        try {
          for (const entry of [...data].sort(([a], [b]) => compareKeys(a, b)))
            if (compareKeys(entry[0], from) >= 0 && compareKeys(entry[0], to) < 0) yield entry
        } finally {
          reading--
        }
      },
    },
    (slot) => lazy[slot],
    ({ upgrade }) => (upgrade === 1 ? forward : back),
    check,
    (fault) => void faults.push(fault),
  )
  const put = (slot: StateSlot, name: string, found: Readonly<Record<string, unknown>>) => {
    for (const [key, record] of Object.entries(found))
      data.set(keys.collection('n1', slot, name) + key, record === tombstone ? tombstone : pack(record))
  }
  const all = (slot: StateSlot, name: string, from = '', to?: string) =>
    [...records.entries(slot, name, from, to)].map(([key, record]) => `${key}=${record}`)
  const pass = (slot: StateSlot, name: string, most: number) => {
    const { writes, ...rest } = records.pass(slot, name, most)
    const prefix = keys.collection('n1', slot, name)
    return { ...rest, writes: writes.map(([key, value]) => [key.slice(prefix.length), value && unpack(value)]) }
  }
  return { records, faults, put, all, pass, reading: () => reading }
}

test('a record is made of the old one and of the one beside it, where either is there', (t) => {
  const { records, put, all } = open({ '1.1': made() })
  put('0.0', 'books', { a: 'Emma', c: 'Kim', d: 'lost' })
  put('0.1', 'notes', { b: 'good', c: 'long' })
  t.is(records.get('1.1', 'books', 'a'), 'a: Emma, undefined')
  t.is(records.get('1.1', 'books', 'b'), 'b: undefined, good')
  t.is(records.get('1.1', 'books', 'c'), 'c: Kim, long')
  t.is(records.get('1.1', 'books', 'd'), undefined)
  t.is(records.get('1.1', 'books', 'e'), undefined)
  t.deepEqual(all('1.1', 'books'), ['a=a: Emma, undefined', 'b=b: undefined, good', 'c=c: Kim, long'])
  t.deepEqual(all('1.1', 'books', 'b', 'c'), ['b=b: undefined, good'])
})

test('without anything beside it a record is made of the old one alone', (t) => {
  const { records, put, all } = open({ '1.0': made({ role: 'pastSO', beside: null, next: { loans: '' } }) })
  put('0.0', 'books', { a: 'Emma' })
  t.is(records.get('1.0', 'loans', 'a'), 'loans of Emma')
  t.is(records.get('1.0', 'loans', 'b'), undefined)
  t.deepEqual(all('1.0', 'loans'), ['a=loans of Emma'])
})

test('a record that was written is as it was written, one of a single byte too, and a deleted one is not made', (t) => {
  const { records, put, all } = open({ '1.1': made() })
  put('0.0', 'books', { a: 'Emma', b: 'Kim' })
  put('1.1', 'books', { a: 5, b: tombstone, c: 'new' })
  t.is(records.get('1.1', 'books', 'a'), 5)
  t.is(records.get('1.1', 'books', 'b'), undefined)
  t.deepEqual(all('1.1', 'books'), ['a=5', 'c=new'])
})

test('where records have been made already, what is not there is not made', (t) => {
  const { records, put, all } = open({ '1.1': made({ next: { books: 'b' } }) })
  put('0.0', 'books', { a: 'Emma', b: 'Kim', c: 'Ulysses' })
  put('1.1', 'books', { aa: 'made' })
  t.is(records.get('1.1', 'books', 'a'), undefined)
  t.is(records.get('1.1', 'books', 'b'), 'b: Kim, undefined')
  t.deepEqual(all('1.1', 'books'), ['aa=made', 'b=b: Kim, undefined', 'c=c: Ulysses, undefined'])
  t.deepEqual(all('1.1', 'loans'), [])
  t.is(records.get('1.1', 'loans', 'a'), undefined)
  t.deepEqual(all('0.0', 'books'), ['a=Emma', 'b=Kim', 'c=Ulysses'])
  t.is(records.get('0.0', 'books', 'a'), 'Emma')
})

test('a tombstone is needed only where a record would be made again', (t) => {
  const { records, put } = open({ '1.1': made({ next: { books: 'b' } }) })
  put('0.0', 'books', { a: 'Emma', b: 'Kim' })
  put('0.1', 'notes', { c: 'good' })
  const needs = (key: string) => records.needsTombstone('1.1', 'books', key)
  t.deepEqual([needs('a'), needs('b'), needs('c'), needs('d')], [false, true, true, false])
  t.false(records.needsTombstone('0.0', 'books', 'a'))
})

test('in passing so many records are made at once, in the order of their keys, and it says where it comes to', (t) => {
  const { put, pass } = open({ '1.1': made({ next: { books: 'b' } }) })
  put('0.0', 'books', { a: 'Emma', b: 'Kim', c: 'lost', d: 'Ulysses', e: 'Lolita', f: 'Solaris' })
  put('0.1', 'notes', { bb: 'good' })
  put('1.1', 'books', { d: 'written', e: tombstone, z: 'written' })
  t.deepEqual(pass('1.1', 'books', 2), {
    writes: [
      ['b', 'b: Kim, undefined'],
      ['bb', 'bb: undefined, good'],
    ],
    passed: 2,
    next: 'c',
  })
  t.deepEqual(pass('1.1', 'books', 6), {
    writes: [
      ['b', 'b: Kim, undefined'],
      ['bb', 'bb: undefined, good'],
      ['e', null],
      ['f', 'f: Solaris, undefined'],
    ],
    passed: 6,
    next: undefined,
  })
  t.deepEqual(pass('1.1', 'books', 0), { writes: [], passed: 0, next: 'b' })
})

test('in passing, a record that can’t be made is where it ends; where it is the first, that is an error', (t) => {
  const { put, pass, faults } = open({ '1.1': made() })
  put('0.0', 'books', { a: 'Emma', b: 'lost', c: 'torn', d: 'Kim' })
  t.deepEqual(pass('1.1', 'books', 9), { writes: [['a', 'a: Emma, undefined']], passed: 2, next: 'c' })
  const message = 'record "c" of books can\'t be made for version 1: a torn book'
  t.deepEqual(
    faults.map((fault) => fault.message),
    [message],
  )
  const later = open({ '1.1': made({ next: { books: 'c' } }) })
  later.put('0.0', 'books', { a: 'Emma', c: 'torn', d: 'Kim' })
  t.throws(() => later.pass('1.1', 'books', 9), { message })
})

test('records of a collection that is made already are not made in passing', (t) => {
  const { pass } = open({ '1.1': made() })
  t.throws(() => pass('1.1', 'loans', 1), { message: /Z1: n1: loans of slot 1.1 is made already/ })
  t.throws(() => pass('0.0', 'books', 1), { message: /Z1: n1: books of slot 0.0 is made already/ })
})

test('a record of a collection that its upgrade does not make is a fault of the program', (t) => {
  const { records, put } = open({ '1.1': made({ next: { covers: '' } }) })
  put('0.0', 'covers', { a: 'red' })
  t.throws(() => records.get('1.1', 'covers', 'a'), { message: /Z1: the upgrade to version 1 does not say how covers is made/ })
})

test('a record that is made is looked at first; a look that takes its time fails it', (t) => {
  const seen: unknown[] = []
  const { records, put, faults } = open({ '1.1': made() }, (...record) => {
    seen.push(record)
    return record[2] === 'b' ? Promise.resolve() : undefined
  })
  put('0.0', 'books', { a: 'Emma', b: 'Kim' })
  t.is(records.get('1.1', 'books', 'a'), 'a: Emma, undefined')
  t.deepEqual(seen, [['1.1', 'books', 'a', 'a: Emma, undefined']])
  const fault = t.throws(() => records.get('1.1', 'books', 'b'), { message: /checkRecord\(\) may not be asynchronous/ })
  t.deepEqual(faults, [fault as Fault])
})

test('whoever stops reading early leaves no range open', (t) => {
  const { records, put, reading } = open({ '1.1': made() })
  put('0.0', 'books', { a: 'Emma', b: 'Kim' })
  put('0.1', 'notes', { a: 'good', b: 'long' })
  put('1.1', 'books', { a: 'written', c: 'written' })
  const entries = records.entries('1.1', 'books', '', undefined)[Symbol.iterator]()
  t.deepEqual(entries.next().value, ['a', 'written'])
  t.true(reading() > 0)
  entries.return?.()
  t.is(reading(), 0)
})

// --- Two upgrades

test('a record goes through two upgrades in order', (t) => {
  const { records, put } = open({
    '1.1': made(),
    '2.2': made({ upgrade: 2, old: '1.1', beside: '1.0' }),
  })
  put('0.0', 'books', { a: 'Emma', b: 'Kim' })
  put('1.0', 'loans', { a: 'twice' })
  t.is(records.get('2.2', 'books', 'a'), 'a: Emma, undefined back, twice')
  t.is(records.get('2.2', 'books', 'b'), 'b: Kim, undefined back, undefined')
})

const undone = (rest: Partial<LazySlot> = {}, first: Partial<LazySlot> = {}) => ({
  '1.1': made(first),
  '1.0': made({ role: 'pastSO', beside: null, next: { loans: '' } }),
  '2.2': made({ upgrade: 2, undoes: true, old: '1.1', beside: '1.0', ...rest }),
  '2.1': made({ upgrade: 2, undoes: true, old: '1.1', beside: null, role: 'pastSO', next: { notes: '' } }),
})

test('Z3: an undo gives back what nobody has written to since the upgrade, on both sides', (t) => {
  const { records, put } = open(undone())
  put('0.0', 'books', { a: 'Emma', b: 'torn' })
  put('0.1', 'notes', { a: 'good' })
  t.is(records.get('2.2', 'books', 'a'), 'Emma')
  t.is(records.get('2.2', 'books', 'b'), 'torn')
  t.is(records.get('2.2', 'books', 'c'), undefined)
  t.is(records.get('2.1', 'notes', 'a'), 'good')
  t.is(records.get('2.1', 'notes', 'b'), undefined)
})

test('Z3: what was written to or made since the upgrade goes back through the undo’s own functions', (t) => {
  const { records, put } = open(undone({}, { next: { books: 'b' } }))
  put('0.0', 'books', { a: 'Emma', b: 'Kim', c: 'Ulysses', d: 'Lolita' })
  put('0.1', 'notes', { b: 'good', c: 'long' })
  put('1.1', 'books', { a: 'made', c: 'written' })
  put('1.0', 'loans', { d: 'twice' })
  t.is(records.get('2.2', 'books', 'a'), 'made back, loans of Emma')
  t.is(records.get('2.2', 'books', 'b'), 'Kim')
  t.is(records.get('2.2', 'books', 'c'), 'written back, loans of Ulysses')
  t.is(records.get('2.2', 'books', 'd'), 'd: Lolita, undefined back, twice')
  t.is(records.get('2.1', 'notes', 'a'), 'note of made')
  t.is(records.get('2.1', 'notes', 'b'), 'good')
  t.is(records.get('2.1', 'notes', 'c'), 'note of written')
})

test('Z3: without an SO beside it, a record that nobody has written to is as it was too', (t) => {
  const { records, put } = open(undone({ beside: null }))
  put('0.0', 'books', { a: 'Emma' })
  t.is(records.get('2.2', 'books', 'a'), 'Emma')
})

test('Z3: a record that was made, and deleted since, does not come back with an undo', (t) => {
  for (const next of [{ books: 'b' }, {}] as const) {
    const { records, put, all } = open(undone({ beside: null }, { next } as Partial<LazySlot>))
    put('0.0', 'books', { a: 'Emma' })
    t.is(records.get('2.2', 'books', 'a'), undefined, JSON.stringify(next))
    t.deepEqual(all('2.2', 'books'), [])
  }
})

test('Z3: only the undo of the upgrade before gives back what was there before', (t) => {
  const all = { ...undone(), '3.3': made({ upgrade: 3, undoes: true, old: '1.1', beside: null }) }
  const { records, put } = open(all)
  put('0.0', 'books', { a: 'Emma' })
  t.is(records.get('3.3', 'books', 'a'), 'a: Emma, undefined back, undefined')
  const made2 = open({ ...undone(), '1.1': undefined as never })
  made2.put('1.1', 'books', { a: 'made' })
  t.is(made2.records.get('2.2', 'books', 'a'), 'made back, undefined')
})

test('Z3: an undo gives back what was there before, also where another upgrade came since, and was undone before it', (t) => {
  const lazy = {
    '1.1': made(),
    '2.2': made({ upgrade: 2, old: '1.1', beside: null }),
    '3.3': made({ upgrade: 3, undoes: true, old: '2.2', beside: null }),
    '4.4': made({ upgrade: 4, undoes: true, undone: 1, old: '3.3', beside: null }),
  }
  const { records, put } = open(lazy)
  put('0.0', 'books', { a: 'Emma', b: 'torn', c: 'Kim', d: 'Lolita', e: 'Ulysses' })
  put('1.1', 'books', { c: 'first' })
  put('2.2', 'books', { d: 'second' })
  put('3.3', 'books', { e: 'third' })
  t.deepEqual(
    ['a', 'b', 'c', 'd', 'e'].map((key) => records.get('4.4', 'books', key)),
    ['Emma', 'torn', 'first back, undefined', 'second back, undefined back, undefined', 'third back, undefined'],
  )
})

test('Z3: what the upgrade made of a collection of another name is not given back as this one', (t) => {
  const renamed: RecordRules = { tomes: { from: 'books', beside: 'covers', record: (book) => `tome ${book}` } }
  const rules: RecordRules = {
    books: { from: 'tomes', beside: 'loans', record: (tome) => `book of ${tome}` },
    others: { from: 'tomes', beside: 'loans', record: (tome) => `other of ${tome}` },
    notes: { from: 'tomes', beside: 'notes', record: (tome) => `note of ${tome}` },
  }
  const lazy: Record<StateSlot, LazySlot> = {
    '1.1': made({ next: { tomes: '' } }),
    '2.2': made({ upgrade: 2, undoes: true, old: '1.1', beside: null, next: { books: '', others: '' } }),
    '2.1': made({ upgrade: 2, undoes: true, old: '1.1', beside: null, role: 'pastSO', next: { notes: '' } }),
  }
  const data = new Map([[`${keys.collection('n1', '0.0', 'books')}a`, pack('Emma')]])
  const records = new LazyRecords(
    'n1',
    { get: (key) => data.get(key), range: () => [] },
    (slot) => lazy[slot],
    ({ upgrade }) => (upgrade === 1 ? renamed : rules),
  )
  t.is(records.get('2.2', 'books', 'a'), 'Emma')
  t.is(records.get('2.2', 'others', 'a'), 'other of tome Emma')
  t.is(records.get('2.1', 'notes', 'a'), 'note of tome Emma')
})
