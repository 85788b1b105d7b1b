/**
 * Lazy transforms (§8: "run transform functions lazily, so that a node can upgrade to the next version
 * quickly"): the flip touches no record; each is made when it is asked for, or in passing; and through every
 * version it is as if all had been made at the flip.
 */
import test, { type ExecutionContext } from 'ava'
import { keys } from '../../core/model/nodeRecord.js'
import { until } from '../support/eventually.js'
import { codeOf, type Deaths, type Settings, type TestHost, TestSystem } from '../support/testSystem.js'
import { ShelfV1, toShelfV2, toShelfV3 } from './shelfClasses.js'

/** Nothing is made in passing. */
const never: Settings = { recordsPerPass: 0 }

async function open(t: ExecutionContext, settings: Settings = never, deaths: Deaths = {}) {
  const system = await TestSystem.start(t, { limit: { percent: 100 }, ...settings }, { gateRound: 5, ...deaths })
  const host = await system.host('h1')
  const node = await host.node(ShelfV1, 's1')
  const call = (version: number, method: string, ...args: readonly unknown[]) =>
    system.desk.running.operator.call({ node: 's1' }, method, args, { version })
  for (const key of ['a', 'b', 'c', 'd']) await call(0, 'put', key, `title of ${key}`)
  return { system, host, node, call, operator: system.desk.running.operator }
}

/**
 * Opens another host on the disk of one that was killed: nothing is made in passing there
 * unless the test says so.
 */
async function reopened(system: TestSystem, host: TestHost, settings: Settings = never) {
  const again = await system.host('h2', { state: host.kill(), settings })
  return { again, node: await again.node(ShelfV1, 's1') }
}

/** Keys of collections on the node's disk, by slot. */
async function recordsOnDisk(host: TestHost): Promise<readonly string[]> {
  const store = await host.kill().open()
  const [from, to] = keys.allStateSlots('s1')
  const found = [...store.range(from, to)].map(([key]) => key.slice(from.length)).filter((key) => key.includes('/c/'))
  await store.close()
  return found
}

test('the flip touches no record; a record is made when it is asked for, of the old one and the future-SO’s', async (t) => {
  const made: string[] = []
  const { system, node, call } = await open(t)
  await system.publish(toShelfV2({ onRecord: (key) => made.push(key) }))
  await node.reached(1)
  t.deepEqual(made, [])
  t.is(await call(1, 'title', 'b'), 'title of b')
  t.deepEqual(made, ['b'])
  await call(1, 'note', 'b', 'so true')
  t.deepEqual(await call(1, 'notes', 'b'), ['so true'])
  // Written: from now on it is as it is.
  made.length = 0
  t.is(await call(0, 'title', 'b'), 'title of b')
  t.deepEqual(made, [])
})

test('what was written through both versions before the flip and after it is seen through both, records and absences alike', async (t) => {
  const { system, host, node, call } = await open(t)
  await call(0, 'lend', 'a')
  await system.desk.running.operator.hold('s1', 'the test')
  await system.publish(toShelfV2())
  await host.untilPhase('s1', 'scheduled', 1)
  await call(1, 'note', 'a', 'before')
  await system.desk.running.operator.release('s1')
  await node.reached(1)
  await call(0, 'lend', 'a')
  await call(1, 'note', 'a', 'after')
  await call(0, 'lend', 'b')
  await call(1, 'remove', 'c')
  await call(0, 'remove', 'd')
  await call(0, 'put', 'e', 'title of e')
  const seen = async () => ({
    notes: await call(1, 'notes', 'a'),
    loans: [await call(0, 'loans', 'a'), await call(0, 'loans', 'b'), await call(0, 'loans', 'd')],
    titles: await call(1, 'titles'),
    past: await call(0, 'titles', 'b', 'f', 1),
  })
  const before = await seen()
  t.deepEqual(before, {
    notes: ['before', 'after'],
    loans: [2, 1, 0],
    titles: ['a title of a', 'b title of b', 'e title of e'],
    past: ['b title of b'],
  })
  // The same after kill -9, and when all records have been made in passing.
  const { again } = await reopened(system, host)
  t.deepEqual(await seen(), before)
  const last = await reopened(system, again, { recordsPerPass: 1, passPauseMs: 1 })
  await until(async () => (await seen()) !== undefined && isPassed(last.again), 'all is made')
  t.deepEqual(await seen(), before)
  const kept = await recordsOnDisk(last.again)
  t.deepEqual([...new Set(kept.map((key) => key.split('/')[0]))], ['1.0', '1.1'])
  t.deepEqual(
    kept.filter((key) => key.startsWith('1.1/')).map((key) => key.split('/').at(-1)),
    ['a', 'b', 'e'],
  )
})

/** Whether the node's record names no lazy slot any more. */
function isPassed(host: TestHost): boolean {
  return host.running.status().nodes[0]!.records === null
}

test('a query makes records in memory only, and a command that fails leaves no trace', async (t) => {
  const { system, host, node, call } = await open(t)
  await system.publish(toShelfV2())
  await node.reached(1)
  t.is(await codeOf(call(1, 'swap', 'a', 'z', 'title of z', true)), 'application.error')
  const all = ['a title of a', 'b title of b', 'c title of c', 'd title of d']
  t.deepEqual(await call(1, 'titles'), all)
  t.is(await call(1, 'swap', 'a', 'z', 'title of z', false), 4)
  t.deepEqual(await call(1, 'titles'), [...all.slice(1), 'z title of z'])
  const kept = await recordsOnDisk(host)
  t.deepEqual(
    kept.filter((key) => key.startsWith('1.')),
    ['1.1/c/books/a', '1.1/c/books/z'],
  )
})

test('two lazy upgrades in a row: a record goes through both in order, whatever was written between', async (t) => {
  const { system, host, node, call } = await open(t)
  const made: string[] = []
  await system.publish(toShelfV2({ onRecord: (key) => made.push(`2 ${key}`) }))
  await node.reached(1)
  await call(1, 'note', 'b', 'at version 2')
  await call(1, 'remove', 'd')
  made.length = 0
  await system.publish(toShelfV3({ onRecord: (key) => made.push(`3 ${key}`) }))
  await node.reached(2)
  t.deepEqual(made, [])
  t.is(await call(2, 'title', 'a'), 'title of a!')
  t.is(await call(2, 'title', 'b'), 'title of b!')
  t.deepEqual(made, ['2 a', '3 a', '3 b'])
  t.deepEqual(await call(2, 'titles'), ['a title of a!', 'b title of b!', 'c title of c!'])
  t.deepEqual(await call(2, 'notes', 'b'), ['at version 2'])
  t.is(await call(0, 'loans', 'a'), 0)
  const { again } = await reopened(system, host, { recordsPerPass: 1, passPauseMs: 1 })
  await until(() => isPassed(again), 'all is made')
  t.deepEqual(await call(2, 'titles'), ['a title of a!', 'b title of b!', 'c title of c!'])
  t.deepEqual([...new Set((await recordsOnDisk(again)).map((key) => key.split('/')[0]))], ['1.0', '2.2'])
})

test('1→2→1→2 while records are still to be made: nothing written through any version is lost', async (t) => {
  const { system, node, call, operator } = await open(t)
  await call(0, 'lend', 'a')
  await system.publish(toShelfV2())
  await node.reached(1)
  await call(1, 'note', 'a', 'first')
  await call(1, 'note', 'b', 'kept by the future-SO')
  await call(0, 'lend', 'c')
  await call(1, 'remove', 'd')
  await operator.undo()
  await node.reached(2)
  t.is(node.className, 'Shelf.v1')
  const atBoth = async () => ({
    loans: [await call(2, 'loans', 'a'), await call(2, 'loans', 'b'), await call(2, 'loans', 'c')],
    notes: [await call(1, 'notes', 'a'), await call(1, 'notes', 'b'), await call(1, 'notes', 'c')],
    titles: await call(2, 'titles'),
  })
  const expected = {
    loans: [1, 0, 1],
    notes: [['first'], ['kept by the future-SO'], []],
    titles: ['a title of a', 'b title of b', 'c title of c'],
  }
  t.deepEqual(await atBoth(), expected)
  await call(2, 'lend', 'b')
  await operator.undo()
  await node.reached(3)
  t.is(node.className, 'Shelf.v2')
  t.deepEqual(await atBoth(), { ...expected, loans: [1, 1, 1] })
})

test('a record that can’t be made fails the calls that ask for it and pauses the rollout; an undo brings it back', async (t) => {
  const { system, host, node, call, operator } = await open(t)
  await call(0, 'lend', 'b')
  const onRecord = (key: string) => {
    if (key === 'b') throw new Error('b has no author')
  }
  await system.publish(toShelfV2({ onRecord }))
  await node.reached(1)
  t.is(await call(1, 'title', 'a'), 'title of a')
  t.is(await codeOf(call(1, 'title', 'b')), 'upgrade.record')
  // A method that would go on without it does not: nothing that it did is kept.
  const puts = await call(1, 'puts')
  t.is(await codeOf(call(1, 'shrug', 'b')), 'upgrade.record')
  t.is(await call(1, 'puts'), puts)
  const pause = await until(
    async () => (await operator.database.controls()).find(({ kind }) => kind === 'pause'),
    'the gate closes',
  )
  t.true(
    pause?.kind === 'pause' && /node s1: record "b" of books can't be made for version 1: b has no author/.test(pause.reason),
  )
  t.regex(host.last('s1')?.reason ?? '', /b has no author/)
  // A record that is written over need not be made; the others are made in passing, as far as
  // the one that can't be.
  await operator.undo()
  await node.reached(2)
  t.is(await call(2, 'title', 'b'), 'title of b')
  t.is(await call(2, 'loans', 'b'), 1)
  t.deepEqual(await call(2, 'titles'), ['a title of a', 'b title of b', 'c title of c', 'd title of d'])
})

test('in passing, a record that can’t be made is where it stops, and is told; the node serves all others', async (t) => {
  const { system, host, node, call } = await open(t, { recordsPerPass: 1, passPauseMs: 1 })
  const onRecord = (key: string) => {
    if (key === 'c') throw new Error('c has no author')
  }
  await system.publish(toShelfV2({ onRecord }))
  await node.reached(1)
  await until(() => /c has no author/.test(host.last('s1')?.reason ?? ''), 'it is told')
  t.is(host.last('s1')?.phase, 'current')
  t.is(await call(1, 'title', 'd'), 'title of d')
  // A call that takes the record away ends it.
  await call(1, 'remove', 'c')
  await until(() => host.last('s1')?.reason === null, 'it is told that it is over')
  t.true(isPassed(host))
  t.deepEqual(await call(1, 'titles'), ['a title of a', 'b title of b', 'd title of d'])
})

test('the new class looks at each record that is made for it', async (t) => {
  const { system, node, call } = await open(t)
  await call(0, 'put', 'u', 'unfit')
  await system.publish(toShelfV2())
  await node.reached(1)
  t.is(await codeOf(call(1, 'title', 'u')), 'upgrade.record')
  t.is(await call(1, 'title', 'a'), 'title of a')
})

test('selfCheck sees records that are still to be made', async (t) => {
  const { system, node, call } = await open(t)
  for (const title of ['title of e', 'another title of e']) await call(0, 'put', 'e', title)
  await system.publish(toShelfV2())
  await node.reached(1)
  t.is(node.className, 'Shelf.v2')
})

test('what is deleted after it was made in passing stays deleted', async (t) => {
  const { system, host, node, call } = await open(t, { recordsPerPass: 1, passPauseMs: 3_600_000 })
  await system.publish(toShelfV2())
  await node.reached(1)
  await until(() => host.running.status().nodes[0]!.records?.passed === 1, 'one is made')
  await call(1, 'remove', 'a')
  await call(1, 'remove', 'b')
  t.is(await call(1, 'title', 'a'), null)
  t.deepEqual(await call(1, 'titles'), ['c title of c', 'd title of d'])
  const { again } = await reopened(system, host, { recordsPerPass: 1, passPauseMs: 1 })
  await until(() => isPassed(again), 'all is made')
  t.deepEqual(await call(1, 'titles'), ['c title of c', 'd title of d'])
  t.deepEqual((await recordsOnDisk(again)).filter((key) => key.includes('books')).length, 2)
})

test('records can be made by the functions of an upgrade whose version is dead, after a restart too', async (t) => {
  const { system, host, node, call } = await open(t, { ...never, askServerMs: 10 }, { deathRound: 10, deathDelay: 20 })
  await system.publish(toShelfV2())
  await node.reached(1)
  await system.publish(toShelfV3())
  await node.reached(2)
  await until(async () => (await system.database.dead()).inForce === 2, 'versions 0 and 1 are dead')
  await until(() => node.chain[0]?.version === 2, 'the node has dropped them')
  // Its answer waits for the disk.
  await call(2, 'put', 'z', 'title of z')
  await reopened(system, host)
  t.is(await call(2, 'title', 'a'), 'title of a!')
})

test('a host says how far its nodes have come', async (t) => {
  const { system, host, node } = await open(t, { ...never, leaseMs: 60 })
  await system.publish(toShelfV2())
  await node.reached(1)
  const records = { passed: 0, left: { books: '', loans: '' } }
  t.deepEqual(host.running.status().nodes[0]!.records, records)
  const told = await until(async () => (await system.database.nodes())[0]?.figures?.records, 'the database knows')
  t.deepEqual(told, records)
})
