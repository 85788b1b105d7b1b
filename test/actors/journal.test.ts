import 'reflect-metadata'
import test from 'ava'
import { Journal } from '../../actors/journal.js'
import type { StateStore, Write } from '../../core/ports/stateStore.js'
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

function open() {
  const clock = new ManualClock()
  const store = new SlowStore()
  const journal = new Journal(store, clock)
  const heard: string[] = []
  const listen = (batch: number, name: string) =>
    journal.whenCommitted(batch, (error) => heard.push(error === undefined ? name : `${name} lost`))
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

test('idle() resolves when nothing is left to commit', async (t) => {
  const { clock, store, journal } = open()
  await journal.idle()
  journal.write('a', bytes('1'))
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
