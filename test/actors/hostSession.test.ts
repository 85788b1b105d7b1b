/**
 * A start of a host, as the upgrade database tells it from others: what it says of itself, and what its
 * directory remembers.
 */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { HostSession } from '../../actors/registration/hostSession.js'
import { Journal } from '../../actors/state/journal.js'
import type { Standing } from '../../core/control/standing.js'
import { keys } from '../../core/model/nodeRecord.js'
import type { StateStore, Write } from '../../core/ports/stateStore.js'
import { pack, unpack } from '../../core/wire/codec.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { ManualClock } from './manualClock.js'

const settled = () => new Promise((resolve) => setImmediate(resolve))

/** A directory on a disk. */
class Directory {
  data = new Map<string, Uint8Array>()
  isFull = false
  #starts = 0

  constructor(readonly place?: string) {}

  start(startsKeptMax = 4) {
    const { place } = this
    const store: StateStore = {
      directoryId: 'd',
      ...(place === undefined ? {} : { place }),
      durability: 'none',
      get: (key) => this.data.get(key),
      range: () => [],
      commit: async (writes: readonly Write[]) => {
        if (this.isFull) throw new Error('disk full')
        for (const [key, value] of writes) if (value !== null) this.data.set(key, value)
      },
      async close() {},
    }
    const clock = new ManualClock()
    const settings = { ...defaultSettings, system: 's', hostId: 'h1', startsKeptMax }
    const session = new HostSession(clock, seededRandom(++this.#starts), settings, store, new Journal(store, clock))
    const begin = async () => {
      const begun = session.begin()
      begun.catch(() => {})
      for (let i = 0; i < 5; i++) {
        await settled()
        clock.endTurn()
      }
      return await begun
    }
    return { session, clock, begin, id: session.now.id }
  }

  copyTo(place?: string): Directory {
    const copy = new Directory(place)
    copy.data = new Map(this.data)
    return copy
  }

  get known(): unknown {
    return unpack(this.data.get(keys.starts)!)
  }
}

test('each start has an id of its own, and knows those before it in its directory to be over', async (t) => {
  const directory = new Directory('here')
  const ids: string[] = []
  for (let i = 0; i < 3; i++) {
    const { session, begin, id } = directory.start()
    t.deepEqual(session.now.ended, ids)
    t.true(id.length > 0 && !ids.includes(id))
    for (const before of ids) t.true(session.hasEnded(before))
    t.false(session.hasEnded(id))
    await begin()
    ids.push(id)
  }
  t.deepEqual(directory.known, { place: 'here', starts: ids })
})

test('so many starts are remembered, the newest ones', async (t) => {
  const directory = new Directory()
  const ids: string[] = []
  for (let i = 0; i < 4; i++) {
    const { begin, id } = directory.start(2)
    await begin()
    ids.push(id)
  }
  t.deepEqual(directory.known, { place: null, starts: ids.slice(2) })
})

test('a copy in another place does not take the starts of the original for over: the last may live', async (t) => {
  const original = new Directory('here')
  await original.start().begin()
  t.deepEqual(original.copyTo('there').start().session.now.ended, [])
  t.deepEqual(original.copyTo().start().session.now.ended, [])
  t.is(original.copyTo('here').start().session.now.ended!.length, 1)
  const unplaced = new Directory()
  await unplaced.start().begin()
  t.is(unplaced.start().session.now.ended!.length, 1)
  t.deepEqual(unplaced.copyTo('here').start().session.now.ended, [])
})

test('a directory is known for its own, for one from elsewhere, or for none that remembers a start', async (t) => {
  const original = new Directory('here')
  t.is(original.start().session.directory, 'unknown')
  await original.start().begin()
  t.is(original.start().session.directory, 'own')
  t.is(original.copyTo('there').start().session.directory, 'elsewhere')
  t.is(original.copyTo().start().session.directory, 'elsewhere')
})

test('what is no list of starts says nothing', (t) => {
  for (const [starts, over] of [
    ['one', []],
    [undefined, []],
    [
      ['one', 5, null, 'two'],
      ['one', 'two'],
    ],
  ] as const) {
    const directory = new Directory('here')
    directory.data.set(keys.starts, pack({ place: 'here', starts }, 'a test'))
    t.deepEqual(directory.start().session.now.ended, over)
  }
})

test('a start is written once; where the disk refuses it, it is tried again when it is asked for again', async (t) => {
  const directory = new Directory()
  const { session, begin, id } = directory.start()
  directory.isFull = true
  await t.throwsAsync(begin())
  t.is(directory.data.size, 0)
  directory.isFull = false
  await begin()
  t.deepEqual(directory.known, { place: null, starts: [id] })
  directory.data.clear()
  t.is(session.begin(), session.begin())
  await begin()
  t.is(directory.data.size, 0)
})

test('a start is as old as either clock says: a standstill shows in one of them', (t) => {
  const { session, clock } = new Directory().start()
  t.is(session.now.ageMs, 0)
  clock.advance(10)
  t.is(session.now.ageMs, 10)
  clock.setBy(50)
  t.is(session.now.ageMs, 60)
  clock.setBy(-1_000)
  t.is(session.now.ageMs, 10)
})

test('it sends back the newest stamp that it had, and the epoch in which it has told of its nodes', (t) => {
  const { session } = new Directory().start()
  t.like(session.now, { hostId: 'h1', directoryId: 'd', stampMs: 0, epoch: null })
  for (const stampMs of [5, 3]) session.hear({ stampMs } as Standing)
  session.markReported('e1')
  t.like(session.now, { stampMs: 5, epoch: 'e1' })
})
