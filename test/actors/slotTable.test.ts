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
