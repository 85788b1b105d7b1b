/** The numbers that are found, and those that are not. */
import test from 'ava'
import { CorrelationTable } from '../../actors/calls/correlationTable.js'
import type { Random } from '../../core/ports/random.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { systemRandom } from '../../transports/systemRandom.js'

/** With 53 bits, as the one of a host: items have either of two places when there are twice as many. */
const fineRandom = (seed: number): Random => {
  const { next } = seededRandom(seed)
  return { next: () => (Math.floor(next() * 2 ** 27) * 2 ** 26 + Math.floor(next() * 2 ** 26)) / 2 ** 53 }
}

const newTable = (random = fineRandom(1)) => new CorrelationTable<{ readonly number: number }>(random)

const filled = (count: number) => {
  const table = newTable()
  const items = Array.from({ length: count }, () => {
    const item = { number: table.next() }
    table.add(item)
    return item
  })
  return { table, items }
}

test('numbers are exact, none is 0, and none is given twice', (t) => {
  for (const next of [() => 0, () => 1 - 2 ** -53, fineRandom(2).next]) {
    const table = newTable({ next })
    const numbers = Array.from({ length: 5_000 }, () => {
      const item = { number: table.next() }
      table.add(item)
      return item.number
    })
    t.is(new Set(numbers).size, 5_000)
    t.true(numbers.every((number) => Number.isSafeInteger(number) && number > 0))
    for (const number of numbers) t.is(table.get(number)?.number, number)
    // Once round, and the place 0 too.
    for (let i = 0; i < 20_000; i++) if (table.next() <= 0) t.fail('a number is 0')
  }
})

test('who knows many numbers knows no other: each has forty bits of its own', (t) => {
  const table = newTable(systemRandom)
  const numbers = Array.from({ length: 4_000 }, () => table.next())
  const parts = numbers.map((number) => Math.floor(number / 1024))
  t.is(new Set(parts).size, 4_000)
  t.true(Math.max(...parts) > 2 ** 41)
  // Numbers that follow each other are as far apart as any others are.
  const steps = parts.slice(1).map((part, i) => Math.abs(part - parts[i]!))
  t.is(new Set(steps).size, 3_999)
  t.true(Math.max(...steps) > 2 ** 41)
})

test('each item is found by its own number, however many there are, and by no other that shares its place', (t) => {
  const { table, items } = filled(5_000)
  t.is(table.size, 5_000)
  for (const item of items) t.is(table.get(item.number), item)
  for (const { number } of items) t.is(table.get(number + 2 ** 24), undefined)
  t.is(table.get(Number.NaN), undefined)
  t.is(table.get(0), undefined)
})

test('the place of an item that stays is passed over until it leaves', (t) => {
  const { table, items } = filled(1)
  const [old] = items
  for (let i = 0; i < 10_000; i++) {
    const item = { number: table.next() }
    table.add(item)
    t.is(table.get(old!.number), old)
    table.delete(item)
  }
  t.is(table.size, 1)
  table.delete(old!)
  table.delete(old!)
  t.is(table.size, 0)
  t.deepEqual(table.all(), [])
})

test('a number that is not kept is given once all the same', (t) => {
  const table = newTable()
  t.is(new Set([table.next(), table.next(), table.next()]).size, 3)
  t.is(table.size, 0)
})

test('what has left makes room for another, and leaves no second time', (t) => {
  const { table, items } = filled(3)
  const [old] = items
  table.delete(old!)
  const sharesItsPlace = { number: old!.number + 2 ** 20 }
  table.add(sharesItsPlace)
  table.delete(old!)
  t.is(table.get(old!.number), undefined)
  t.is(table.get(sharesItsPlace.number), sharesItsPlace)
  t.is(table.size, 3)
})

test('each item is listed once, whichever numbers it and the others had when more places were needed', (t) => {
  for (const before of [0, 500, 1_000, 1_023, 3_000]) {
    const table = newTable()
    for (let i = 0; i < before; i++) table.next()
    const items = Array.from({ length: 3_000 }, () => {
      const item = { number: table.next() }
      table.add(item)
      return item
    })
    const all = table.all()
    t.is(all.length, 3_000)
    const listed = new Set(all)
    t.true(items.every((item) => listed.has(item)))
    for (const item of items) table.delete(item)
    t.deepEqual(table.all(), [])
  }
})
