/**
 * A scheduling function observes what is committed, as the object's queries would see it: also while lazy
 * transforms make records in passing.
 */
import test from 'ava'
import { type SchedulingView, schedule } from '../../index.js'
import { until } from '../support/eventually.js'
import { gate, TestSystem } from '../support/testSystem.js'
import { ShelfV1, toShelfV2, toShelfV3 } from './shelfClasses.js'

interface Book {
  readonly title: string
}

test('while a pass commits, and after it, a scheduling function sees every record once, and none that was deleted', async (t) => {
  const system = await TestSystem.start(t, { limit: { percent: 100 }, recordsPerPass: 0 })
  const first = await system.host('h1')
  const node = await first.node(ShelfV1, 's1')
  const call = (version: number, method: string, ...args: readonly unknown[]) =>
    system.desk.running.operator.call({ node: 's1' }, method, args, { version })
  for (const key of ['a', 'b', 'c', 'd', 'e']) await call(0, 'put', key, `title of ${key}`)
  await system.publish(toShelfV2())
  await node.reached(1)
  await call(1, 'remove', 'b')
  await call(1, 'put', 'd', 'another d')
  const never = gate()
  let view: SchedulingView | undefined
  const looks = schedule('looks', async (given) => {
    view = given
    await never.opened
  })
  await system.publish(toShelfV3({ schedule: looks }))
  await first.untilPhase('s1', 'scheduled', 2)
  view = undefined

  // Nothing of a pass comes to the disk until the test says so.
  const disk = gate()
  const state = first.kill()
  state.beforeCommit = (writes) => (writes.some(([key]) => key.includes('/c/books/')) ? disk.pass() : undefined)
  const second = await system.host('h2', { state, settings: { recordsPerPass: 2, passPauseMs: 1 } })
  await second.node(ShelfV1, 's1')
  await until(() => view !== undefined, 'the schedule runs')
  const books = view!.collection('books')
  const expected = ['a title of a', 'c title of c', 'd another d', 'e title of e']
  const titles = (from: typeof books) => [...from.entries()].map(([key, book]) => `${key} ${(book as Book).title}`)
  const look = () => {
    for (const from of [books, view!.collection('books')]) {
      t.deepEqual(titles(from), expected)
      t.is((from.get('c') as Book | undefined)?.title, 'title of c')
      t.false(from.has('b'))
      t.true(from.has('e'))
    }
    t.deepEqual(view!.state, { puts: 6 })
  }
  await until(() => disk.waiting > 0, 'a pass commits')
  look()
  // Work that was begun before the passes goes on while they commit.
  const slowly = books.entries()[Symbol.iterator]()
  const seen = [slowly.next().value![0]]
  let commits = 0
  state.afterCommit = () => {
    commits++
    look()
    const { done, value } = slowly.next()
    if (done !== true) seen.push(value[0])
  }
  disk.open()
  await until(() => second.running.status().nodes[0]!.records === null, 'all is made')
  state.afterCommit = undefined
  look()
  t.true(commits >= 3)
  for (let next = slowly.next(); next.done !== true; next = slowly.next()) seen.push(next.value[0])
  t.deepEqual(seen, ['a', 'c', 'd', 'e'])
  never.open()
})

test('a scheduling function that goes on after its node has stopped sees the class whose state it sees', async (t) => {
  const system = await TestSystem.start(t, { limit: { percent: 100 } })
  const host = await system.host('h1')
  const node = await host.node(ShelfV1, 's1')
  const never = gate()
  t.teardown(() => never.open())
  const views: SchedulingView[] = []
  const looks = schedule('looks', async (view) => {
    if (views.push(view) === 1) await never.opened
  })
  await system.publish(toShelfV2())
  await node.reached(1)
  await system.publish(toShelfV3({ schedule: looks }))
  await until(() => views.length === 1, 'the schedule runs')
  t.is(views[0]!.className, 'Shelf.v2')
  await node.stop()
  const again = await host.node(ShelfV1, 's1')
  await again.reached(2)
  t.is(views.length, 2)
  t.is(views[0]!.className, again.className)
  t.not(views[0]!.className, 'Shelf.v2')
})
