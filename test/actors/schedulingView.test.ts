/**
 * Where a scheduling function has its answers from: what is committed on this node, and an
 * upgrade database that may be away.
 */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { type NodeParts, NodeSource } from '../../actors/upgrade/schedulingView.js'
import { Fault } from '../../core/base/fault.js'
import { keys, type NodeRecord, type StateSlot } from '../../core/model/nodeRecord.js'
import { pack } from '../../core/wire/codec.js'
import { memoryStore } from '../../transports/memory/index.js'
import { ManualClock } from '../support/manualClock.js'
import { codeOf } from '../support/testSystem.js'

const recordOf = (change: Partial<NodeRecord> = {}): NodeRecord => ({
  ...{
    format: 2,
    nodeId: 'n1',
    service: 'notes',
    facts: {},
    incarnation: 1,
    oldest: 0,
    newest: 0,
    previous: null,
    upgrade: null,
  },
  generation: { number: 0, version: 0, className: 'Notes.v1', object: '0.0', simulations: {} },
  ...change,
})

async function open() {
  const clock = new ManualClock(0)
  const store = await memoryStore().open()
  let record = recordOf()
  let asked = 0
  const failures: Error[] = []
  const ask = async <T>(answer: T): Promise<T> => {
    asked++
    const failure = failures.shift()
    if (failure !== undefined) throw failure
    return answer
  }
  const parts = {
    record: () => record,
    servers: ['shelf'],
    rulesOf: () => ({}),
    isSibling: () => false,
    store,
    nodeRowCache: { nodes: (service: string | undefined) => ask([`nodes of ${service}`]) },
    database: { table: (name: string) => ask(new Map([[name, 'yes']])) },
    clock,
    random: { next: () => 0 },
    settings: { ...defaultSettings, backoffMs: 100, backoffMsMax: 400 },
  }
  const source = new NodeSource(parts as unknown as NodeParts)
  const commit = (change: Partial<NodeRecord>) => store.commit([[keys.record('n1'), pack(recordOf(change), 'a test')]])
  const remember = (change: Partial<NodeRecord>) => {
    record = recordOf(change)
  }
  return { clock, store, source, commit, remember, failures, asked: () => asked }
}

const generation = (className: string, object: StateSlot = '0.0') => ({
  number: 0,
  version: 0,
  className,
  object,
  simulations: {},
})

test('what it sees of the node is what is committed, and not what is on its way to the disk', async (t) => {
  const { source, commit, remember, store } = await open()
  t.is(source.className, 'Notes.v1', 'nothing is committed yet')
  t.deepEqual(source.state(), {})
  await commit({ generation: generation('Notes.v1') })
  remember({ generation: generation('Notes.v2', '0.1') })
  t.is(source.className, 'Notes.v1')
  await store.commit([
    [keys.root('n1', '0.0'), pack({ notes: ['old'] }, 'a test')],
    [keys.root('n1', '0.1'), pack({ notes: ['new'] }, 'a test')],
  ])
  t.like(source.state(), { notes: ['old'] })
  // As long as the one before, and as it began.
  for (const className of ['Notes.v2', 'Motes.v2', 'Motes.v3x']) {
    await commit({ generation: generation(className, '0.1') })
    t.is(source.className, className)
  }
  t.like(source.state(), { notes: ['new'] })
  t.deepEqual([source.nodeId, source.service, source.servers], ['n1', 'notes', ['shelf']])
})

test('a collection gives its records in the order of their keys, as many as are asked for', async (t) => {
  const { source, commit, store } = await open()
  await commit({ generation: generation('Notes.v1') })
  const shelf = source.collection('shelf')
  t.deepEqual([...shelf.entries()], [])
  await store.commit(
    ['a', 'b', 'c'].map((key) => [`${keys.collection('n1', '0.0', 'shelf')}${key}`, pack(`at ${key}`, 'a test')] as const),
  )
  const found = (range?: Parameters<typeof shelf.entries>[0]) => [...shelf.entries(range)].map(([key]) => key).join('')
  t.is(found(), 'abc')
  for (const [limit, expected] of [
    [0, ''],
    [1, 'a'],
    [2, 'ab'],
    [9, 'abc'],
  ] as const)
    t.is(found({ limit }), expected, `${limit}`)
  t.is(found({ from: 'b' }), 'bc')
  t.is(found({ from: 'a', to: 'c', limit: 5 }), 'ab')
  t.is(shelf.get('b'), 'at b')
  t.deepEqual([shelf.has('b'), shelf.has('d')], [true, false])
})

test('while the database is away a schedule waits, longer each time, and is answered when it is back', async (t) => {
  const { source, failures, asked, clock } = await open()
  failures.push(new Error('away'), new Fault('unavailable.storage', 'away'), new Error('away'), new Error('away'))
  const { signal } = new AbortController()
  const answer = source.nodes('notes', signal)
  for (const [atMs, questions] of [
    [0, 1],
    [99, 1],
    [100, 2],
    [299, 2],
    [300, 3],
    [699, 3],
    [700, 4],
    [1_099, 4],
  ] as const) {
    await clock.runUntil(atMs)
    t.is(asked(), questions, `after ${atMs} ms`)
  }
  await clock.runUntil(1_100)
  t.deepEqual((await answer) as unknown, ['nodes of notes'])
})

test('what is asked wrongly is answered at once', async (t) => {
  const { source, failures, asked, clock } = await open()
  failures.push(new Fault('config.invalid', 'no such name'))
  const answer = codeOf(source.table('a b', new AbortController().signal))
  await clock.runUntil(10_000)
  t.is(await answer, 'config.invalid')
  t.is(asked(), 1)
})

test('a schedule that is over asks no more', async (t) => {
  const { source, failures, asked, clock } = await open()
  const over = new AbortController()
  failures.push(new Error('away'))
  const answer = t.throwsAsync(source.table('go', over.signal), { message: 'over' })
  await clock.runUntil(50)
  over.abort(new Error('over'))
  await clock.runUntil(10_000)
  await answer
  t.is(asked(), 1)
  await t.throwsAsync(source.table('go', over.signal), { message: 'over' })
  t.is(asked(), 1)
})
