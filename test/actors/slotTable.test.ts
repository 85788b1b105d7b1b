/** What is found by its number, and what is not. */
import test from 'ava'
import { SlotTable } from '../../actors/slotTable.js'

const filled = (count: number) => {
  const table = new SlotTable<{ readonly number: number }>()
  const items = Array.from({ length: count }, () => {
    const item = { number: table.next() }
    table.add(item)
    return item
  })
  return { table, items }
}

test('numbers count from 1 and are never given twice', (t) => {
  const { items } = filled(5_000)
  t.deepEqual(new Set(items.map(({ number }) => number)).size, 5_000)
  t.is(items[0]!.number, 1)
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

test('after the last number that MessagePack packs as an integer comes 1: 0 is nobody’s', (t) => {
  const last = 2 ** 32 - 1
  const table = new SlotTable<{ readonly number: number }>(last - 2)
  const items = Array.from({ length: 4 }, () => {
    const item = { number: table.next() }
    table.add(item)
    return item
  })
  t.deepEqual(
    items.map(({ number }) => number),
    [last - 1, last, 1, 2],
  )
  for (const item of items) t.is(table.get(item.number), item)
  t.is(table.all().length, 4)
})

test('a number that is not kept is given once all the same', (t) => {
  const table = new SlotTable<{ readonly number: number }>()
  t.deepEqual([table.next(), table.next(), table.next()], [1, 2, 3])
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
  for (const begin of [0, 500, 1_000, 1_023, 3_000]) {
    const table = new SlotTable<{ readonly number: number }>(begin)
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
