/** Work that many ask for is done once while it is under way. */
import test from 'ava'
import { SharedTask, SharedWork } from '../../core/base/sharedWork.js'

function deferred() {
  let begun = 0
  let waiting = Promise.withResolvers<number>()
  const begin = () => {
    begun++
    waiting = Promise.withResolvers<number>()
    return waiting.promise
  }
  return { begin, begun: () => begun, end: (value: number) => waiting.resolve(value), fail: (why: Error) => waiting.reject(why) }
}

test('all who ask for the same thing share one piece of work; another thing is another piece', async (t) => {
  const shared = new SharedWork<string, number>()
  const [a, b] = [deferred(), deferred()]
  const asked = [shared.run('a', a.begin), shared.run('a', a.begin), shared.run('b', b.begin)]
  t.deepEqual([a.begun(), b.begun()], [1, 1])
  t.true(shared.isUnderWay('a'))
  a.end(1)
  b.end(2)
  t.deepEqual(await Promise.all(asked), [1, 1, 2])
  t.false(shared.isUnderWay('a'))
})

test('work that has ended, well or badly, is begun anew by the next who asks', async (t) => {
  const shared = new SharedWork<string, number>()
  const task = new SharedTask<number>()
  for (const run of [
    (begin: () => Promise<number>) => shared.run('a', begin),
    (begin: () => Promise<number>) => task.run(begin),
  ]) {
    const work = deferred()
    const asked = [run(work.begin), run(work.begin)]
    work.fail(new Error('not now'))
    for (const each of asked) await t.throwsAsync(each, { message: 'not now' })
    const again = run(work.begin)
    t.is(work.begun(), 2)
    work.end(3)
    t.is(await again, 3)
  }
})

test('one task is under way at a time', async (t) => {
  const task = new SharedTask<number>()
  const work = deferred()
  t.false(task.isUnderWay)
  const asked = [task.run(work.begin), task.run(work.begin)]
  t.true(task.isUnderWay)
  work.end(1)
  t.deepEqual(await Promise.all(asked), [1, 1])
  t.deepEqual([work.begun(), task.isUnderWay], [1, false])
})
