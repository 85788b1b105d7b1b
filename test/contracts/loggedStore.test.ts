/** A store that is a log with a cache behind it, in memory: H2, H3 and J2. */
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import type { StateStore, Write } from '../../core/ports/stateStore.js'
import type { LogCache } from '../../core/store/logCache.js'
import { type LoggedStore, type LoggedStoreLimits, loggedStoreLimits, openLoggedStore } from '../../core/store/loggedStore.js'
import { type MemoryLogHandle, memoryLog } from '../../transports/memory/memoryLog.js'
import { fatesBy } from '../../transports/memory/memoryLogFaults.js'
import { memoryCache } from '../../transports/memory/memoryStore.js'
import { seededRandom } from '../../transports/seededRandom.js'
import type { StateFactory } from '../../transports/stateFactory.js'
import { until } from '../support/eventually.js'
import { refusalOf } from '../support/rejections.js'
import { bytes, storeContract, text } from './storeContract.js'

/** Its timers keep the process: nothing else does where a log in memory is waited for. */
const clock = {
  turn: (action: () => void) => void setImmediate(action),
  after(ms: number, action: () => void) {
    const timer = setTimeout(action, ms)
    return () => clearTimeout(timer)
  },
}

const end = '\u{10ffff}\u{10ffff}'
/** Everything goes to the cache at once, or waits for it. */
const eager: LoggedStoreLimits = { ...loggedStoreLimits, chunkWritesMax: 1, aheadWritesMax: 2, repeatMs: 1, cacheRepeatMs: 1 }
/** Nothing goes to the cache before the store closes. */
const lazy: LoggedStoreLimits = { ...loggedStoreLimits, chunkMs: 2 ** 30, repeatMs: 1, cacheRepeatMs: 1 }

class Disk implements StateFactory {
  readonly log = memoryLog({ clock, entryBytesMax: 100_000 })
  readonly state = memoryCache()
  limits = loggedStoreLimits
  handle: MemoryLogHandle | undefined
  cache: LogCache | undefined

  async open(): Promise<LoggedStore> {
    this.cache = await this.state.open()
    this.handle = this.log.open('w')
    try {
      return await openLoggedStore({ log: this.handle, cache: this.cache, clock: clock, limits: this.limits })
    } catch (error) {
      await this.cache.close()
      throw error
    }
  }

  /** As kill -9 of the process. */
  kill(store: LoggedStore): void {
    store.abandon()
    this.handle!.abandon()
    this.state.kill()
  }
}

function diskWith(limits: LoggedStoreLimits): Disk {
  const disk = new Disk()
  disk.limits = limits
  return disk
}

storeContract('log in memory', () => new Disk())
storeContract('log in memory, cache close behind', () => diskWith(eager))
storeContract('log in memory, cache far behind', () => diskWith(lazy))
storeContract('log in memory, small entries', () => {
  const disk = diskWith(lazy)
  return Object.assign(disk, { log: memoryLog({ clock, entryBytesMax: 400 }) })
})
storeContract('log in memory with faults', () => {
  const disk = diskWith({ ...eager, repeatMsMax: 2 })
  const chances = { loseAnswer: 0.2, lose: 0.1, inFlight: 0.1, answerLate: 0.1, arriveLate: 0.1, lateMsMax: 2 }
  disk.log.fate = fatesBy(seededRandom(7), chances)
  return disk
})

async function opened(t: ExecutionContext, disk: Disk): Promise<LoggedStore> {
  const store = await disk.open()
  t.teardown(() => store.close())
  return store
}

const all = (store: StateStore) => [...store.range('', end)].map(([key, value]) => [key, text(value)!])

test('J2: a refused entry loses its commit and those behind it, and the next one counts', async (t) => {
  const disk = diskWith(lazy)
  const store = await opened(t, disk)
  await store.commit([['a', bytes('1')]])
  let appends = 0
  disk.log.fate = () => (++appends === 1 ? 'full' : 'deliver')
  const ended = await Promise.allSettled(['b', 'c', 'd'].map((key) => store.commit([[key, bytes('1')]])))
  t.deepEqual(
    ended.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  )
  t.is((ended[2] as PromiseRejectedResult).reason.code, 'unavailable.storage')
  await store.commit([['e', bytes('1')]])
  t.deepEqual(all(store), [
    ['a', '1'],
    ['e', '1'],
  ])
  disk.kill(store)
  t.deepEqual(all(await opened(t, disk)), [
    ['a', '1'],
    ['e', '1'],
  ])
})

test('J2: a commit that fails behind some of its parts leaves nothing, also when the next one has parts', async (t) => {
  const disk = Object.assign(diskWith(lazy), { log: memoryLog({ clock, entryBytesMax: 200 }) })
  const store = await opened(t, disk)
  let appends = 0
  disk.log.fate = () => (++appends === 3 ? 'full' : 'deliver')
  await refusalOf(t, store.commit([['a', new Uint8Array(1000)]]))
  t.is(disk.log.last, 2)
  await store.commit([['b', new Uint8Array(1000).fill(7)]])
  disk.kill(store)
  const again = await opened(t, disk)
  t.deepEqual([...again.range('', end)], [['b', new Uint8Array(1000).fill(7)]])
})

test('H3: an append without an answer is repeated until it is known to count, and counts once', async (t) => {
  const disk = diskWith({ ...lazy, repeatMsMax: 2 })
  const store = await opened(t, disk)
  const fates = ['lose-answer', 'deliver', 'lose', 'in-flight', 'lose-answer', 'lose'] as const
  let appends = 0
  disk.log.fate = () => fates[appends++] ?? 'deliver'
  await Promise.all(['a', 'b', 'c', 'd'].map((key) => store.commit([[key, bytes(key)]])))
  t.deepEqual(disk.log.entries.length, 4)
  t.is(all(store).length, 4)
})

test('H3: a copy that is refused tells nothing of those before it', async (t) => {
  const disk = diskWith({ ...lazy, repeatMsMax: 2 })
  const store = await opened(t, disk)
  const fates = ['lose-answer', 'full', 'lose', 'full', 'full', 'deliver', 'full'] as const
  let appends = 0
  disk.log.fate = () => fates[appends++] ?? 'deliver'
  // It is there already.
  await store.commit([['a', bytes('1')]])
  t.is(appends, 2)
  // It is not, which nobody can know: it goes on until it is.
  await store.commit([['b', bytes('1')]])
  t.is(appends, 6)
  // Nothing else was sent for its place.
  await refusalOf(t, store.commit([['c', bytes('1')]]))
  t.deepEqual(all(store), [
    ['a', '1'],
    ['b', '1'],
  ])
})

test('H3: what a stale reader does not see decides nothing', async (t) => {
  const disk = diskWith({ ...lazy, repeatMsMax: 2 })
  const store = await opened(t, disk)
  let appends = 0
  let looks = 0
  disk.log.fate = () => (++appends === 1 ? 'lose-answer' : 'deliver')
  disk.log.view = () => (++looks <= 2 ? { staleBy: 1 } : looks === 3 ? 'nothing' : 'all')
  await store.commit([['a', bytes('1')]])
  t.is(disk.log.last, 1)
  t.true(looks > 3)
})

test('H3: a writer that finds another’s entry in the place of its own ends, and says so', async (t) => {
  const disk = diskWith(lazy)
  const cache = await disk.state.open()
  const told: string[] = []
  const store = await openLoggedStore({
    ...{ log: disk.log.open('mine'), cache, clock: clock, limits: lazy },
    onOther: ({ message }) => told.push(message),
  })
  t.teardown(() => store.close())
  await disk.log.open('other').append(bytes('rival'), 0)
  const ended = await Promise.allSettled([store.commit([['a', bytes('1')]]), store.commit([['b', bytes('1')]])])
  t.deepEqual(
    ended.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  t.deepEqual(told, ['the log has another writer: entry 1 is not the one that was appended'])
  t.is((await refusalOf(t, store.commit([['c', bytes('1')]]))).message, told[0]!)
})

test('H2: a killed store has all that was acknowledged, wherever the cache was', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(30), fc.option(fc.nat(9))), { minLength: 1, maxLength: 60 }),
      fc.constantFrom(eager, lazy, { ...loggedStoreLimits, chunkWritesMax: 7 }),
      fc.constantFrom(90, 100_000),
      async (writes, limits, entryBytesMax) => {
        const disk = Object.assign(diskWith(limits), { log: memoryLog({ entryBytesMax }) })
        let store = await disk.open()
        const model = new Map<string, string>()
        for (const [i, [key, value]] of writes.entries()) {
          await store.commit([
            [`k${key}`, value === null ? null : bytes(String(value).repeat(20))],
            ['newest', bytes(String(i))],
          ])
          if (value === null) model.delete(`k${key}`)
          else model.set(`k${key}`, String(value).repeat(20))
          model.set('newest', String(i))
          if (i % 11 === 10) {
            disk.kill(store)
            store = await disk.open()
          }
          t.deepEqual(Object.fromEntries(all(store)), Object.fromEntries(model))
        }
        await store.close()
        const cache = await disk.state.open()
        t.deepEqual(Object.fromEntries(all(cache)), Object.fromEntries(model))
        await cache.close()
      },
    ),
    { numRuns: 60 },
  )
})

test('a range over chunks and the store behind them is what the commits say, whatever slots it names', async (t) => {
  const part = (...values: string[]) => fc.constantFrom(...values)
  const key = fc
    .tuple(part('s', 'n'), part('a', 'ab', 'b'), part('1', '2', '20'), part('r', 'c/v/k1', 'c/v/k2', 'c0'))
    .map((parts) => parts.join('/'))
  const slot = fc.tuple(part('s/', 'n/'), part('a', 'ab', 'b'), part('/1', '/2', '/20')).map((parts) => parts.join(''))
  // Mostly within one slot, as nodes ask.
  const within = fc
    .tuple(slot, part('/', '/c/', '/c/v/', '/r'), part('/', '0', '/c/v0', '/c0', '/s'))
    .map(([name, first, last]) => [name + first, name + last] as const)
  const range = fc.oneof(within, within, fc.tuple(key, key), fc.tuple(part('', 's/', 's/a/', 's/a'), part('s/a0', 's0', 't')))
  const commit = fc.array(fc.tuple(key, fc.option(fc.nat(9))), { minLength: 1, maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(commit, { maxLength: 12 }),
      fc.array(fc.tuple(range, fc.integer({ min: 1, max: 40 })), { minLength: 1, maxLength: 20 }),
      fc.constantFrom(2, 5, 100),
      async (commits, ranges, chunkWritesMax) => {
        const disk = diskWith({ ...lazy, chunkWritesMax })
        const store = await disk.open()
        const model = await memoryCache().open()
        for (const writes of commits) {
          const packed = writes.map(([name, value]): Write => [name, value === null ? null : bytes(String(value))])
          await Promise.all([store.commit(packed), model.commit(packed)])
          for (const [[from, to], limit] of ranges)
            t.deepEqual([...store.range(from, to, limit)], [...model.range(from, to, limit)], `${from} to ${to}`)
        }
        await store.close()
        await model.close()
      },
    ),
    { numRuns: 60 },
  )
})

test('the log is trimmed behind the cache, and is never needed from before the cache’s last commit but one', async (t) => {
  const disk = diskWith({ ...lazy, chunkWritesMax: 10 })
  const store = await opened(t, disk)
  for (let i = 0; i < 100; i++) await store.commit([[`k${i}`, bytes('1')]])
  await until(() => disk.log.entries[0]!.position > 70, 'the log was trimmed')
  t.is(disk.log.last, 100)
  disk.kill(store)
  const again = await opened(t, disk)
  t.is(all(again).length, 100)
})

test('a log whose entries others give up is not trimmed', async (t) => {
  const disk = new Disk()
  const cache = await disk.state.open()
  const store = await openLoggedStore({ log: disk.log.open(), cache, clock: clock, limits: eager, trim: 'by others' })
  for (let i = 0; i < 20; i++) await store.commit([[`k${i}`, bytes('1')]])
  await store.append({ kind: 'beat' })
  t.is(store.end.position, 21)
  await store.close()
  t.is(disk.log.entries.length, 21)
  t.deepEqual(all(await opened(t, disk)).length, 20)
})

test('commits wait while the cache is far behind, and are refused while it fails; what counts is not lost', async (t) => {
  const disk = diskWith({ ...eager, inFlightMax: 1, cacheRepeatMsMax: 2 })
  const store = await opened(t, disk)
  const { promise: allowed, resolve: allow } = Promise.withResolvers<void>()
  disk.state.beforeCommit = () => allowed
  const ended: number[] = []
  const commit = (i: number) => store.commit([[`k${i}`, bytes('1')]]).then(() => ended.push(i))
  await commit(0)
  await commit(1)
  const waiting = [commit(2), commit(3)]
  await new Promise((resolve) => disk.log.open().ends().then(resolve))
  t.deepEqual([disk.log.last, ended.length], [2, 2])
  disk.state.beforeCommit = () => {
    throw new Error('no room')
  }
  allow()
  await Promise.allSettled(waiting)
  const refused = () => store.commit([['k9', bytes('1')]]).then(() => '', String)
  await until(async () => (await refused()).includes('no room'), 'commits are refused')
  disk.state.beforeCommit = undefined
  await until(async () => (await refused()) === '', 'the cache follows again')
  for (const i of ended) t.is(text(store.get(`k${i}`)), '1')
})

test('a log that is not the one of the cache is refused', async (t) => {
  const [one, two] = [diskWith(lazy), diskWith(lazy)]
  for (const [disk, value] of [
    [one, '1'],
    [two, '2'],
  ] as const) {
    const store = await disk.open()
    for (const key of ['a', 'b', 'c']) await store.commit([[key, bytes(value)]])
    await store.close()
  }
  const swapped = Object.assign(new Disk(), { state: one.state, log: two.log })
  await t.throwsAsync(swapped.open(), { code: 'config.log-lost', message: /another store's$/ })
  one.log.loseAfter(2)
  await t.throwsAsync(one.open(), { code: 'config.log-lost', message: /ends with entry 2, .* holds entry 3$/ })
})

test('a log with an entry that continues nothing is refused, or told of where others may write', async (t) => {
  const disk = diskWith(lazy)
  const store = await disk.open()
  await store.commit([['a', bytes('1')]])
  disk.kill(store)
  const other = await openLoggedStore({ log: memoryLog().open(), cache: await memoryCache().open(), clock: clock })
  const stranger = disk.log.open('stranger')
  const rival = memoryLog()
  const third = await openLoggedStore({ log: rival.open(), cache: await memoryCache().open(), clock: clock })
  await third.commit([['b', bytes('2')]])
  await stranger.append(rival.entries[0]!.bytes, 1)
  await t.throwsAsync(disk.open(), { code: 'config.log-lost', message: /entry 2 of the log does not continue/ })
  const told: number[] = []
  const cache = await disk.state.open()
  const again = await openLoggedStore({
    ...{ log: disk.log.open(), cache, clock: clock, limits: lazy },
    onStranger: ({ position }) => told.push(position),
  })
  t.deepEqual(told, [2])
  await again.commit([['c', bytes('3')]])
  t.deepEqual(all(again), [
    ['a', '1'],
    ['c', '3'],
  ])
  await Promise.all([again.close(), other.close(), third.close()])
})

test('closing ends an append that nobody answers', async (t) => {
  const disk = diskWith({ ...lazy, repeatMsMax: 5 })
  const store = await disk.open()
  disk.log.fate = () => 'lose'
  const commit = store.commit([['a', bytes('1')]] satisfies Write[])
  await Promise.all([refusalOf(t, commit), store.close()])
  t.is(disk.log.last, 0)
})
