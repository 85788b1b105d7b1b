/**
 * One transform on its own: what it reads, what it writes beside the old generation and how much at once, and
 * what is swept afterwards (§6).
 */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings, type HostSettings } from '../../actors/base/settings.js'
import { Journal } from '../../actors/state/journal.js'
import { NodeState } from '../../actors/state/nodeState.js'
import { runTransform, sweepStateSlots } from '../../actors/state/transformRun.js'
import { type Generation, keys, type LazySlot, type NodeRecord, type StateSlot } from '../../core/model/nodeRecord.js'
import { none } from '../../core/model/simulation.js'
import type { TransformCollections } from '../../core/model/transform.js'
import { isLeftBehind, isUnfinished, nextGeneration } from '../../core/upgrade/generations.js'
import { proxyVersion } from '../../core/upgrade/undo.js'
import type { ClassUpgrade } from '../../core/upgrade/upgrade.js'
import { pack, unpack } from '../../core/wire/codec.js'
import { memoryStore } from '../../transports/memory/index.js'
import { gate } from '../support/testSystem.js'
import { ManualClock } from './manualClock.js'
import { toV2 } from './notesClasses.js'
import { toShelfV2 } from './shelfClasses.js'

const eager = toV2().classUpgrades[0]!
/** Its record "torn" can't be made. */
const torn = (key: string) => {
  if (key === 'torn') throw new Error('a torn book')
}
const lazy = toShelfV2({ onRecord: torn }).classUpgrades[0]!
const generation: Generation = { number: 3, version: 0, className: 'Notes.v1', object: '3.0', simulations: { 1: '3.1' } }

type Transform = (old: any, future: any, collections: TransformCollections) => unknown

async function open(settings: Partial<HostSettings> = {}, lazySlots: Readonly<Record<StateSlot, LazySlot>> = {}) {
  const clock = new ManualClock()
  const memory = memoryStore()
  const store = await memory.open()
  const commits: number[] = []
  memory.beforeCommit = (writes) => void commits.push(writes.length)
  const journal = new Journal(store, clock)
  const state = new NodeState('n1', journal, {
    lazyOf: (slot) => lazySlots[slot],
    rulesOf: () => lazy.records!,
    recordFailed() {},
    stateLost() {},
  })
  const put = (slot: StateSlot, collection: string, records: Readonly<Record<string, unknown>>) => {
    for (const [key, record] of Object.entries(records)) state.write(keys.collection('n1', slot, collection) + key, pack(record))
  }
  const root = (slot: StateSlot, value: unknown) => state.write(keys.root('n1', slot), pack(value))
  root('3.0', { notes: ['one'], mood: 'calm' })
  root('3.1', { stars: { 0: 2 } })
  let loops = 0
  /** Waits for what commits meanwhile. */
  const through = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false
    const watched = work.finally(() => {
      isOver = true
    })
    watched.catch(() => {})
    for (let i = 0; i < 500 && !isOver; i++) {
      loops++
      clock.endTurn()
      await new Promise((resolve) => setImmediate(resolve))
    }
    return await watched
  }
  const all: HostSettings = { ...defaultSettings, system: 'shop', hostId: 'h1', ...settings }
  const given = { up: false }
  const run = (transform: Transform, more: Partial<ClassUpgrade> = {}, old = generation, undoes: number | null = null) =>
    runTransform('n1', old, { ...eager, ...more, transform } as ClassUpgrade, undoes, state, journal, clock, all, given)
  const kept = (slot: StateSlot) =>
    [...store.range(...keys.stateSlot('n1', slot))].map(([key, value]) => [key.split('/').slice(3).join('/'), unpack(value)])
  await through(journal.idle())
  commits.length = 0
  const sweep = (isUnused: (slot: StateSlot) => boolean) => sweepStateSlots('n1', isUnused, journal, all)
  return { clock, memory, store, journal, state, commits, put, root, through, run, kept, sweep, given, loops: () => loops }
}

const message = (text: string | RegExp) => ({ message: text })

// --- Generations

test('the next generation has slots of its own for the object and its past-SO, and keeps all other SOs', (t) => {
  const old: Generation = { ...generation, simulations: { 1: '3.1', 2: '3.2' } }
  t.deepEqual(nextGeneration(old, eager, null), {
    number: 4,
    version: 1,
    className: 'Notes.v2',
    object: '4.1',
    simulations: { 0: '4.0', 2: '3.2' },
  })
  t.deepEqual(nextGeneration(old, { ...eager, pastSO: none }, null).simulations, { 2: '3.2' })
})

test('an undo puts the object in the place of the past-SO whose version it means again', (t) => {
  const at1: Generation = { number: 4, version: 1, className: 'Notes.v2', object: '4.1', simulations: { 0: '4.0', 3: '3.3' } }
  t.deepEqual(nextGeneration(at1, eager, 1).simulations, { 1: '5.1', 3: '3.3' })
  t.deepEqual([proxyVersion(2, 1), proxyVersion(2, null)], [0, 2])
})

test('what is made record by record is named in the generation: of which slots, and that nothing is made yet', (t) => {
  const old: Generation = { ...generation, className: 'Shelf.v1' }
  t.deepEqual(nextGeneration(old, lazy, null).lazy, {
    '4.1': { upgrade: 1, role: 'object', undoes: false, old: '3.0', beside: '3.1', next: { books: '' }, passed: 0 },
    '4.0': { upgrade: 1, role: 'pastSO', undoes: false, old: '3.0', beside: null, next: { loans: '' }, passed: 0 },
  })
  t.is(nextGeneration({ ...old, simulations: {} }, lazy, null).lazy?.['4.1']?.beside, null)
  const before: LazySlot = {
    upgrade: 0,
    role: 'object',
    undoes: false,
    old: '2.0',
    beside: null,
    next: { books: 'k' },
    passed: 3,
  }
  const still = nextGeneration({ ...old, lazy: { '3.0': before, '1.1': before } }, lazy, null).lazy!
  t.deepEqual(still['3.0'], before, 'records are made of those that are still to be made')
  t.is(still['1.1'], undefined, 'nobody needs it any more')
})

// --- Roots

test('a transform is given copies of both states, and writes the object’s and the past-SO’s', async (t) => {
  const { run, through, kept, state } = await open()
  const next = await through(
    run((old, future) => {
      const made = { notes: old.notes, stars: future.stars }
      old.notes.push('of the transform')
      return made
    }),
  )
  t.is(next.object, '4.1')
  t.deepEqual(kept('4.1'), [['r', { notes: ['one', 'of the transform'], stars: { 0: 2 } }]])
  t.deepEqual(kept('4.0'), [['r', { mood: 'calm' }]])
  t.deepEqual({ ...state.rootCopy('3.0') }, { notes: ['one'], mood: 'calm' })
})

test('without a future-SO’s state it is given what that begins with, or nothing', async (t) => {
  const seen: unknown[] = []
  const look: Transform = (_old, future, { future: of }) => {
    seen.push(future, of('shelf').get('a') ?? null, of('shelf').has('a'), [...of('shelf').entries()])
    return {}
  }
  const bare = { ...generation, simulations: {} }
  const { run, through } = await open()
  await through(run(look, {}, bare))
  t.deepEqual(seen.splice(0), [{ stars: {} }, null, false, []])
  await through(run(look, { futureSO: none }, bare))
  t.deepEqual(seen[0], {})
})

test('an undo is given the state of the past-SO that stands for it', async (t) => {
  const { run, through, root } = await open()
  root('4.1', { notes: ['one'], stars: {} })
  root('4.0', { mood: 'merry' })
  const seen: unknown[] = []
  const at1: Generation = { number: 4, version: 1, className: 'Notes.v2', object: '4.1', simulations: { 0: '4.0' } }
  await through(
    run(
      (old, past) => {
        seen.push({ ...old }, { ...past })
        return {}
      },
      { pastSO: none },
      at1,
      1,
    ),
  )
  t.like(seen[0], { notes: ['one'] })
  t.like(seen[1], { mood: 'merry' })
})

test('a state that is not plain, or no record, fails the transform with what is wrong; so does what it throws', async (t) => {
  const { run, through } = await open()
  const failure = async (transform: Transform) => through(run(transform)).catch(({ code, message: text }) => `${code} ${text}`)
  t.regex((await failure(() => ({ a: new Map() }))) as never, /^upgrade\.transform the new state of Notes\.v2\.a is a Map/)
  t.regex((await failure(() => [1])) as never, /^upgrade\.transform the new state of Notes\.v2 is a list/)
  t.regex(
    (await failure(() => {
      throw new Error('no stars')
    })) as never,
    /^upgrade\.transform no stars/,
  )
  const { run: lazily, through: on } = await open()
  await t.throwsAsync(
    on(
      lazily(() => ({}), { records: lazy.records }).then(() =>
        lazily((_o, _f, { next }) => next('books').put('a', 1), { records: lazy.records }),
      ),
    ),
    {
      code: 'upgrade.transform',
      message: /the transform may not fill books, which is made record by record/,
    },
  )
})

test('a transform that reads a record that can’t be made fails with the fault of that record', async (t) => {
  const slot: LazySlot = { upgrade: 1, role: 'object', undoes: false, old: '2.0', beside: null, next: { books: '' }, passed: 0 }
  const { run, through, put } = await open({}, { '3.0': slot })
  put('2.0', 'books', { torn: { title: 'Emma', loans: 1 } })
  await t.throwsAsync(through(run((_old, _future, { old }) => old('books').get('torn'))), {
    code: 'upgrade.record',
    message: /^record "torn" of books can't be made for version 1/,
  })
})

// --- Collections

test('a transform reads and writes collections, and carries them over as they are', async (t) => {
  const { run, through, kept, put } = await open()
  put('3.0', 'shelf', { a: 'A', b: 'B' })
  put('3.0', 'drawer', { k: 1 })
  put('3.1', 'shelf', { a: 'of the future' })
  await through(
    run(async (_old, _future, { old, future, next, carry }) => {
      await carry('shelf')
      next('shelf').put('c', [old('shelf').get('a'), future('shelf').get('a')])
      next('shelf').delete('b')
      t.is(old('drawer').get('k'), 1)
      t.throws(() => next('shelf').put('', 1), message(/^collection key/))
      t.throws(() => next('shelf').delete('\0'), message(/^collection key/))
      t.throws(() => next('shelf').put('d', new Map()), message(/a record/))
      return {}
    }),
  )
  t.deepEqual(kept('4.1'), [
    ['c/shelf/a', 'A'],
    ['c/shelf/c', ['A', 'of the future']],
    ['r', {}],
  ])
})

test('a past-SO begins with collections of its own, made of the old ones', async (t) => {
  const { run, through, kept, put } = await open()
  put('3.0', 'shelf', { a: 'A' })
  const pastSO = {
    ...(eager.pastSO as object),
    records: { loans: {} },
    async initial(_old: unknown, { old, own, flushed }: any) {
      for (const [key, value] of old('shelf').entries()) own('moods').put(key, `mood of ${value}`)
      await flushed()
      t.throws(() => own('moods').put('', 1), message(/^collection key/))
      t.throws(() => own('loans'), message(/the past-SO’s initial\(\) may not fill loans/))
      return { mood: 'calm' }
    },
  }
  await through(run(() => ({}), { pastSO: pastSO as never }))
  t.deepEqual(kept('4.0'), [
    ['c/moods/a', 'mood of A'],
    ['r', { mood: 'calm' }],
  ])
})

test('records that are still to be made are made when their collection is carried over', async (t) => {
  const slot: LazySlot = { upgrade: 1, role: 'object', undoes: false, old: '2.0', beside: null, next: { books: '' }, passed: 0 }
  const { run, through, kept, put } = await open({}, { '3.0': slot })
  put('2.0', 'books', { a: { title: 'Emma', loans: 1 }, b: { title: 'Kim', loans: 0 } })
  put('3.0', 'books', { b: { title: 'Kim', notes: ['mine'] } })
  await through(
    run(async (_old, _future, { carry }) => {
      await carry('books')
      return {}
    }),
  )
  t.deepEqual(kept('4.1').slice(0, 2), [
    ['c/books/a', { title: 'Emma', notes: [] }],
    ['c/books/b', { title: 'Kim', notes: ['mine'] }],
  ])
})

test('what is made record by record is not carried over', async (t) => {
  const { run, through } = await open()
  await t.throwsAsync(through(run(async (_old, _future, { carry }) => carry('books'), { records: lazy.records })), {
    code: 'upgrade.transform',
    message: /the transform may not fill books/,
  })
})

// --- Bounds

const numbered = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${100 + i}`, i]))

test('no transaction has more records than the bound, and none is waited for that is not full', async (t) => {
  const bounds = { transformRecordsPerCommit: 10, transformRecordsPerTurn: 10 }
  const { run, through, put, commits, journal } = await open(bounds)
  put('3.0', 'shelf', numbered(35))
  await through(journal.idle())
  commits.length = 0
  await through(
    run(async (_old, _future, { carry }) => {
      await carry('shelf')
      return {}
    }),
  )
  t.deepEqual(commits.slice(0, 4), [10, 10, 10, 5])
})

test('records that are made for it are carried over within the same bounds', async (t) => {
  const slot: LazySlot = { upgrade: 1, role: 'object', undoes: false, old: '2.0', beside: null, next: { books: '' }, passed: 0 }
  const { run, through, put, commits, journal } = await open({ transformRecordsPerCommit: 10 }, { '3.0': slot })
  put('2.0', 'books', Object.fromEntries(Object.keys(numbered(25)).map((key) => [key, { title: key, loans: 0 }])))
  await through(journal.idle())
  commits.length = 0
  await through(
    run(async (_old, _future, { carry }) => {
      await carry('books')
      return {}
    }),
  )
  t.deepEqual(commits.slice(0, 3), [10, 10, 5])
})

test('no transaction has many more bytes than the bound', async (t) => {
  const bounds = { transformBytesPerCommit: 1000 }
  const { run, through, put, commits, journal } = await open(bounds)
  put('3.0', 'shelf', Object.fromEntries(Object.keys(numbered(10)).map((key) => [key, 'x'.repeat(300)])))
  await through(journal.idle())
  commits.length = 0
  await through(
    run(async (_old, _future, { carry }) => {
      await carry('shelf')
      return {}
    }),
  )
  t.deepEqual(commits.slice(0, 3), [4, 4, 2])
})

test('after so many records or bytes others of the host get a turn', async (t) => {
  for (const [bounds, record, turnsMin] of [
    [{ transformRecordsPerTurn: 5 }, 'x', 8],
    [{ transformBytesPerTurn: 500 }, 'x'.repeat(100), 8],
    [{}, 'x', 0],
  ] as const) {
    const { run, through, put, journal, loops } = await open(bounds)
    put('3.0', 'shelf', Object.fromEntries(Object.keys(numbered(40)).map((key) => [key, record])))
    await through(journal.idle())
    let [before, after] = [0, 0]
    await through(
      run(async (_old, _future, { old, next, flushed }) => {
        before = loops()
        for (const [key, value] of old('shelf').entries()) {
          next('shelf').put(key, value)
          await flushed()
        }
        after = loops()
        return {}
      }),
    )
    t.true(turnsMin === 0 ? after - before <= 1 : after - before >= turnsMin, `${JSON.stringify(bounds)}: ${after - before}`)
  }
})

test('a past-SO that begins with many records gives the others their turns too', async (t) => {
  const { run, through, put, journal, loops } = await open({ transformRecordsPerTurn: 5 })
  put('3.0', 'shelf', numbered(40))
  await through(journal.idle())
  let [before, after] = [0, 0]
  const pastSO = {
    ...(eager.pastSO as object),
    async initial(_old: unknown, { old, own, flushed }: any) {
      before = loops()
      for (const [key, value] of old('shelf').entries()) {
        own('moods').put(key, value)
        await flushed()
      }
      after = loops()
      return { mood: 'calm' }
    },
  }
  await through(run(() => ({}), { pastSO: pastSO as never }))
  t.true(after - before >= 8, `${after - before}`)
})

test('bytes are counted also after a deletion, which has none', async (t) => {
  const { run, through, loops } = await open({ transformBytesPerTurn: 500 })
  let [before, after] = [0, 0]
  await through(
    run(async (_old, _future, { next, flushed }) => {
      before = loops()
      next('shelf').delete('a')
      for (const key of Object.keys(numbered(40))) {
        next('shelf').put(key, 'x'.repeat(100))
        await flushed()
      }
      after = loops()
      return {}
    }),
  )
  t.true(after - before >= 8, `${after - before}`)
})

test('while the disk is slow a transform fills one transaction, turn after turn, and then waits', async (t) => {
  const { run, through, memory } = await open({ transformRecordsPerTurn: 2, transformRecordsPerCommit: 10 })
  const held = gate()
  memory.beforeCommit = () => held.pass()
  let written = 0
  const running = run(async (_old, _future, { next, flushed }) => {
    for (const key of Object.keys(numbered(40))) {
      next('shelf').put(key, 1)
      written++
      await flushed()
    }
    return {}
  })
  for (let i = 0; i < 40; i++) await through(Promise.resolve())
  // The first is being written to disk alone: its turn ended before the next came.
  t.is(written, 1 + 10)
  held.open()
  await through(running)
  t.is(written, 40)
})

test('a transform ends when all that it wrote is on disk, and fails if any of it is lost', async (t) => {
  const { run, through, memory, kept } = await open({ transformRecordsPerCommit: 1 })
  memory.failNextCommit(new Error('disk full'))
  await t.throwsAsync(
    through(
      run(async (_old, _future, { next, flushed }) => {
        for (const key of ['a', 'b', 'c']) {
          next('shelf').put(key, 1)
          await flushed()
        }
        return {}
      }),
    ),
    { code: 'upgrade.transform', message: 'disk full' },
  )
  memory.failNextCommit(new Error('disk full'))
  await t.throwsAsync(through(run(() => ({}))), { code: 'upgrade.transform', message: 'disk full' })
  const held = gate()
  memory.beforeCommit = () => held.pass()
  let isOver = false
  const running = run(() => ({})).then(() => (isOver = true))
  for (let i = 0; i < 20; i++) await through(Promise.resolve())
  t.false(isOver)
  held.open()
  await through(running)
  t.deepEqual(kept('4.1').at(-1), ['r', {}])
})

test('a transform that nobody waits for any more writes nothing', async (t) => {
  const { run, through, given, kept } = await open()
  await t.throwsAsync(
    through(
      run(async (_old, _future, { next }) => {
        given.up = true
        next('shelf').put('a', 1)
        return {}
      }),
    ),
    message('the transform was given up'),
  )
  t.deepEqual(kept('4.1'), [])
  const full = await open({ transformRecordsPerTurn: 1 })
  await t.throwsAsync(
    full.through(
      full.run(async (_old, _future, { next, flushed }) => {
        next('shelf').put('a', 1)
        full.given.up = true
        await flushed()
        throw new Error('it went on')
      }),
    ),
    message('the transform was given up'),
  )
})

// --- Sweeping

test('slots that nobody needs are swept in transactions within the bound, and no others', async (t) => {
  const { sweep, through, put, root, commits, kept, journal } = await open({ sweepKeysPerCommit: 2 })
  put('1.0', 'shelf', { a: 1, b: 2, c: 3 })
  root('1.0', {})
  put('2.0', 'shelf', { a: 1 })
  root('4.1', {})
  await through(journal.idle())
  commits.length = 0
  await through(sweep((slot) => slot !== '3.0' && slot !== '3.1' && slot !== '2.0'))
  t.deepEqual(commits, [2, 2, 1])
  t.deepEqual([kept('1.0'), kept('4.1')], [[], []])
  t.is(kept('2.0').length, 1)
  t.is(kept('3.0').length, 1)
})

test('a slot that is needed again meanwhile is not swept further', async (t) => {
  const { sweep, through, put, kept, journal } = await open({ sweepKeysPerCommit: 1 })
  put('1.0', 'shelf', { a: 1, b: 2, c: 3 })
  await through(journal.idle())
  let asked = 0
  await through(sweep((slot) => slot === '1.0' && asked++ < 1))
  t.is(kept('1.0').length, 2)
})

test('a sweep waits for the disk, and says when that does not take it', async (t) => {
  const { sweep, through, put, memory, kept, journal } = await open()
  put('1.0', 'shelf', { a: 1 })
  await through(journal.idle())
  memory.failNextCommit(new Error('disk full'))
  await t.throwsAsync(through(sweep((slot) => slot === '1.0')), message('disk full'))
  t.is(kept('1.0').length, 1)
})

test('left behind is what neither the generation nor the one to flip back to names, of generations up to now', (t) => {
  const record = { generation, previous: null } as unknown as NodeRecord
  const previous: Generation = { ...generation, number: 2, object: '2.0', simulations: {} }
  const left = (of: StateSlot, more: Partial<NodeRecord> = {}) => isLeftBehind({ ...record, ...more }, of)
  t.deepEqual([left('3.0'), left('3.1'), left('2.0'), left('3.7'), left('4.1')], [false, false, true, true, false])
  t.deepEqual([left('2.0', { previous }), left('1.0', { previous }), left('3.0', { previous })], [false, true, false])
  t.deepEqual([isUnfinished(record, '3.0'), isUnfinished(record, '4.0'), isUnfinished(record, '2.0')], [false, true, false])
})
