import 'reflect-metadata'
import test from 'ava'
import { type CommitFence, Journal, PackedLater, type Writer } from '../../actors/state/journal.js'
import { isFault } from '../../core/base/fault.js'
import type { StateStore, Write } from '../../core/ports/stateStore.js'
import { pack } from '../../core/wire/codec.js'
import { ManualClock } from './manualClock.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value)

/** A store whose commits end when the test says so. */
class SlowStore implements StateStore {
  readonly directoryId = 'd'
  readonly durability = 'none'
  readonly data = new Map<string, Uint8Array>()
  readonly commits: { readonly writes: readonly Write[]; done(): Promise<void>; fail(): Promise<void> }[] = []

  get(key: string): Uint8Array | undefined {
    return this.data.get(key)
  }

  *range(from: string, to: string): Iterable<readonly [string, Uint8Array]> {
    for (const [key, value] of [...this.data].sort(([a], [b]) => (a < b ? -1 : 1)))
      if (key >= from && key < to) yield [key, value]
  }

  commit(writes: readonly Write[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = async (end: () => void) => {
        end()
        for (let i = 0; i < 5; i++) await Promise.resolve()
      }
      this.commits.push({
        writes,
        done: () => {
          for (const [key, value] of writes) value === null ? this.data.delete(key) : this.data.set(key, value)
          return settle(resolve)
        },
        fail: () => settle(() => reject(new Error('disk full'))),
      })
    })
  }

  async close(): Promise<void> {}
}

function open(fence?: CommitFence) {
  const clock = new ManualClock()
  const store = new SlowStore()
  const journal = new Journal(store, clock, fence)
  const heard: string[] = []
  const listen = (batch: number, name: string) =>
    journal.whenCommitted(batch, { settled: (error) => void heard.push(error === undefined ? name : `${name} lost`) })
  return { clock, store, journal, heard, listen }
}

test('what is written in one turn is one commit, of the newest value of each key', async (t) => {
  const { clock, store, journal, heard, listen } = open()
  journal.write('a', bytes('1'))
  journal.write('b', bytes('2'))
  const batch = journal.write('a', bytes('3'))
  listen(batch, 'batch')
  t.is(store.commits.length, 0)
  clock.endTurn()
  t.deepEqual(
    store.commits[0]!.writes.map(([key, value]) => [key, text(value!)]),
    [
      ['a', '3'],
      ['b', '2'],
    ],
  )
  t.false(journal.isCommitted(batch))
  await store.commits[0]!.done()
  t.true(journal.isCommitted(batch))
  t.deepEqual(heard, ['batch'])
})

test('J1: what is written while a batch is being committed is the next batch, committed after it', async (t) => {
  const { clock, store, journal, heard, listen } = open()
  listen(journal.write('a', bytes('1')), 'first')
  clock.endTurn()
  const second = journal.write('a', bytes('2'))
  listen(second, 'second')
  listen(journal.write('b', bytes('3')), 'second too')
  clock.endTurn()
  t.is(store.commits.length, 1)
  await store.commits[0]!.done()
  t.is(store.commits.length, 2)
  t.deepEqual(heard, ['first'])
  t.false(journal.isCommitted(second))
  await store.commits[1]!.done()
  t.deepEqual(heard, ['first', 'second', 'second too'])
})

test('a reader sees the newest value at once, wherever it is on its way', async (t) => {
  const { clock, store, journal } = open()
  for (const key of ['a', 'b', 'c', 'd']) store.data.set(key, bytes(`${key} stored`))
  journal.write('a', bytes('a committing'))
  journal.write('b', null)
  clock.endTurn()
  journal.write('c', bytes('c filling'))
  journal.write('aa', bytes('aa filling'))
  journal.write('d', null)
  t.is(text(journal.get('a')), 'a committing')
  t.is(journal.get('b'), undefined)
  t.is(text(journal.get('c')), 'c filling')
  t.deepEqual(
    [...journal.range('a', 'z')].map(([, value]) => text(value)),
    ['a committing', 'aa filling', 'c filling'],
  )
  await store.commits[0]!.done()
  await store.commits[1]!.done()
  t.deepEqual(
    [...journal.range('a', 'z')].map(([, value]) => text(value)),
    ['a committing', 'aa filling', 'c filling'],
  )
})

test('J2: when a batch fails so does all that was written after it, and what comes then is committed', async (t) => {
  const { clock, store, journal, heard, listen } = open()
  listen(journal.write('a', bytes('1')), 'first')
  clock.endTurn()
  listen(journal.write('b', bytes('2')), 'second')
  await store.commits[0]!.fail()
  t.deepEqual(heard, ['first lost', 'second lost'])
  t.is(journal.get('a'), undefined)
  t.is(journal.get('b'), undefined)
  listen(journal.write('c', bytes('3')), 'third')
  clock.endTurn()
  await store.commits[1]!.done()
  t.deepEqual(heard, ['first lost', 'second lost', 'third'])
  t.deepEqual([...store.data.keys()], ['c'])
})

test('who asks for a lost batch later hears that it is lost', async (t) => {
  const { clock, store, journal, heard, listen } = open()
  const lost = journal.write('a', bytes('1'))
  clock.endTurn()
  await store.commits[0]!.fail()
  t.false(journal.isCommitted(lost))
  listen(lost, 'batch')
  t.deepEqual(heard, ['batch lost'])
})

test('a lost batch stays lost when a later one is committed', async (t) => {
  const { clock, store, journal, heard, listen } = open()
  const lost = journal.write('a', bytes('1'))
  clock.endTurn()
  await store.commits[0]!.fail()
  journal.write('b', bytes('2'))
  clock.endTurn()
  await store.commits[1]!.done()
  t.false(journal.isCommitted(lost))
  listen(lost, 'batch')
  t.deepEqual(heard, ['batch lost'])
})

test('J1: what is written by those who hear of a loss is committed before what is written later', async (t) => {
  const { clock, store, journal } = open()
  const writer: Writer = { lost: () => void journal.write('b', bytes('2')) }
  journal.write('a', bytes('1'), writer)
  clock.endTurn()
  await store.commits[0]!.fail()
  journal.write('c', bytes('3'))
  clock.endTurn()
  t.is(store.commits.length, 2)
  t.is(text(journal.get('b')), '2')
  await store.commits[1]!.done()
  t.is(store.commits.length, 3)
  await store.commits[2]!.done()
  t.deepEqual([...store.data.keys()], ['b', 'c'])
})

test('J2: each writer of what is lost hears of it once, before those who wait, and no other', async (t) => {
  const { clock, store, journal, heard, listen } = open()
  const writer = (name: string): Writer => ({ lost: (error) => void heard.push(`${name}: ${(error as Error).message}`) })
  const both = writer('both')
  journal.write('z', bytes('0'), writer('of before'))
  clock.endTurn()
  await store.commits[0]!.done()
  listen(journal.write('a', bytes('1'), both), 'first')
  clock.endTurn()
  journal.write('b', bytes('2'), both)
  listen(journal.write('c', bytes('3'), writer('after')), 'second')
  let isClosed = false
  void journal.closed(3).then(() => (isClosed = true))
  await store.commits[1]!.fail()
  t.deepEqual(heard, ['both: disk full', 'after: disk full', 'first lost', 'second lost'])
  t.true(isClosed)
})

test('those who wait for a batch hear in the order in which they asked, before it is committed or while it is', async (t) => {
  const { clock, store, journal, heard, listen } = open()
  const batch = journal.write('a', bytes('1'))
  listen(batch, 'one')
  listen(batch, 'two')
  clock.endTurn()
  listen(batch, 'three')
  listen(batch, 'four')
  await store.commits[0]!.done()
  t.deepEqual(heard, ['one', 'two', 'three', 'four'])
  listen(batch, 'five')
  listen(batch - 1, 'six')
  t.deepEqual(heard.slice(4), ['five', 'six'])
})

test('who asks for a batch that was lost so long ago that it is forgotten hears of an error', async (t) => {
  const { clock, store, journal, heard, listen } = open()
  const lost = journal.write('a', bytes('1'))
  for (let i = 0; i < 600; i++) {
    if (i > 0) journal.write('a', bytes('1'))
    clock.endTurn()
    await store.commits[i]!.fail()
  }
  listen(lost, 'oldest')
  listen(lost + 2 * 599, 'newest')
  t.deepEqual(heard, ['oldest lost', 'newest lost'])
})

test('nothing is said of what is committed while the journal is held', async (t) => {
  let goOn = () => {}
  const holds = (later: () => void) => {
    goOn = later
    return true
  }
  const { clock, store, journal, heard, listen } = open({ holds })
  const batch = journal.write('a', bytes('1'))
  listen(batch, 'batch')
  clock.endTurn()
  listen(journal.write('b', bytes('2')), 'next')
  await store.commits[0]!.done()
  t.false(journal.isCommitted(batch))
  t.deepEqual(heard, [])
  t.is(store.commits.length, 1)
  goOn()
  t.true(journal.isCommitted(batch))
  t.deepEqual(heard, ['batch'])
  t.is(store.commits.length, 2)
})

test('commit() resolves when all it wrote is on disk, rejects when it is lost, and has nothing to wait for without writes', async (t) => {
  const { clock, store, journal } = open()
  await journal.commit([])
  let isDone = false
  const commit = journal.commit([
    ['a', bytes('1')],
    ['b', null],
  ])
  const waits = commit.then(() => (isDone = true))
  clock.endTurn()
  t.deepEqual(
    store.commits[0]!.writes.map(([key]) => key),
    ['a', 'b'],
  )
  t.false(isDone)
  await store.commits[0]!.done()
  await waits
  t.true(isDone)
  const lost = journal.commit([['a', bytes('2')]])
  clock.endTurn()
  await store.commits[1]!.fail()
  await t.throwsAsync(lost, { message: 'disk full' })
})

test('closed() resolves when nothing is added to a batch any more: it is being committed, or the host stops', async (t) => {
  const { clock, store, journal } = open()
  const seen: string[] = []
  const settle = async () => {
    for (let i = 0; i < 5; i++) await Promise.resolve()
  }
  const first = journal.write('a', bytes('1'))
  void journal.closed(first).then(() => seen.push('first'))
  await settle()
  t.deepEqual(seen, [])
  clock.endTurn()
  await settle()
  t.deepEqual(seen, ['first'])
  await journal.closed(first)
  void journal.closed(journal.write('b', bytes('2'))).then(() => seen.push('second'))
  await settle()
  t.deepEqual(seen, ['first'])
  journal.close()
  await settle()
  t.deepEqual(seen, ['first', 'second'])
  t.is(store.commits.length, 1)
})

test('J3: after close() what is being committed ends, what was written later is lost, and nothing else reaches the store', async (t) => {
  const { clock, store, journal, heard, listen } = open()
  const first = journal.write('a', bytes('1'))
  clock.endTurn()
  await store.commits[0]!.done()
  const second = journal.write('b', bytes('2'))
  listen(second, 'second')
  clock.endTurn()
  const third = journal.write('c', bytes('3'), { lost: (error) => void heard.push(`writer: ${isFault(error) && error.code}`) })
  listen(third, 'third')
  journal.close()
  journal.close()
  t.deepEqual(heard, ['writer: unavailable.storage', 'third lost'])
  const fourth = journal.write('d', bytes('4'))
  for (const batch of [second, third, fourth]) {
    await t.throwsAsync(journal.committed(batch), { message: 'the host has stopped: the state was not written' })
  }
  await journal.committed(first)
  clock.endTurn()
  await store.commits[1]!.done()
  clock.endTurn()
  t.deepEqual(heard.slice(2), ['second'])
  t.false(journal.isCommitted(third))
  t.is(store.commits.length, 2)
  t.deepEqual([...store.data.keys()], ['a', 'b'])
})

test('a value that is packed late is packed once, and not at all when a newer one takes its place', async (t) => {
  const { clock, store, journal } = open()
  let looks = 0
  const counted = (n: number) => ({
    get n() {
      looks++
      return n
    },
  })
  journal.write('a', new PackedLater(counted(1)))
  journal.write('a', new PackedLater(counted(2)))
  t.is(looks, 0)
  t.deepEqual(journal.get('a'), pack({ n: 2 }))
  const { value: entry } = journal.range('a', 'b')[Symbol.iterator]().next()
  t.deepEqual(entry, ['a', pack({ n: 2 })])
  clock.endTurn()
  t.deepEqual(store.commits[0]!.writes, [['a', pack({ n: 2 })]])
  t.is(looks, 1)
})

test('idle() resolves when nothing is left to commit', async (t) => {
  const { clock, store, journal } = open()
  await journal.idle()
  journal.write('a', bytes('1'))
  journal.write('a', bytes('2'))
  let idle = false
  const waits = journal.idle().then(() => {
    idle = true
  })
  clock.endTurn()
  journal.write('b', bytes('2'))
  await store.commits[0]!.done()
  t.false(idle)
  await store.commits[1]!.done()
  await waits
  t.true(idle)
})

test('idle() waits for what is being committed, also when it is lost then', async (t) => {
  const { clock, store, journal } = open()
  journal.write('a', bytes('1'))
  clock.endTurn()
  let idle = false
  const waits = journal.idle().then(() => {
    idle = true
  })
  for (let i = 0; i < 5; i++) await Promise.resolve()
  t.false(idle)
  await store.commits[0]!.fail()
  await waits
  t.true(idle)
})

test('a range of one node has all that is on its way there, written before it was asked for and after', async (t) => {
  const { journal } = open()
  const all = () => [...journal.range('s/n1/', 's/n10')].map(([key]) => key)
  for (const key of ['s/n1/0.0/r', 's/n10/0.0/r', 's/n1/0.0/c/books/a', 'n/n1', 'm/0000000001']) journal.write(key, bytes('1'))
  t.deepEqual(all(), ['s/n1/0.0/c/books/a', 's/n1/0.0/r'])
  for (const key of ['s/n1/0.0/c/books/b', 's/n1/0.0/r', 's/n2/0.0/r']) journal.write(key, bytes('2'))
  journal.write('s/n1/0.0/c/books/a', null)
  t.deepEqual(all(), ['s/n1/0.0/c/books/b', 's/n1/0.0/r'])
  // Ranges of more than one node, and of what is no node's.
  t.deepEqual(
    [...journal.range('s/', 's0')].map(([key]) => key),
    ['s/n1/0.0/c/books/b', 's/n1/0.0/r', 's/n10/0.0/r', 's/n2/0.0/r'],
  )
  t.deepEqual([...journal.range('n/', 'n0')].length, 1)
  t.deepEqual([...journal.range('m/0000000001', 'm0')].length, 1)
})

test('a range has what lies between its ends, of whatever keys, and begins with its first and ends before its last', async (t) => {
  const { store, journal } = open()
  for (const key of ['s/n1/a', 's/n1/y', 's/n10/b', 's/n1/z']) store.data.set(key, bytes('stored'))
  for (const key of ['s/n1/a', 's/n1/m', 's/n1.b', 's/n1', 's/n10/a', 's/n2']) journal.write(key, bytes('written'))
  journal.write('s/n1/0', null)
  const keys = (from: string, to: string) => [...journal.range(from, to)].map(([key]) => key)
  t.deepEqual(keys('s/n1/', 's/n10'), ['s/n1/a', 's/n1/m', 's/n1/y', 's/n1/z'])
  t.deepEqual(keys('s/n1', 's/n10'), ['s/n1', 's/n1.b', 's/n1/a', 's/n1/m', 's/n1/y', 's/n1/z'])
  t.deepEqual(keys('s/n1/m', 's/n2'), ['s/n1/m', 's/n1/y', 's/n1/z', 's/n10/a', 's/n10/b'])
  t.deepEqual(keys('s/n3/', 's/n30'), [])
})
