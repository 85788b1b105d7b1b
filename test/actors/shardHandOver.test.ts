/** A shard that moves is copied while its owner serves, so calls wait for the last entries only. */
import test, { type ExecutionContext } from 'ava'
import { FewAtOnce } from '../../actors/base/fewAtOnce.js'
import { defaultSettings } from '../../actors/base/settings.js'
import { LogTail } from '../../actors/shards/logTail.js'
import { ShardCache } from '../../actors/shards/shardCache.js'
import { ShardCopy } from '../../actors/shards/shardCopy.js'
import { type ChainEnd, emptyChain, nextEntry } from '../../core/model/logChain.js'
import { shardOf } from '../../core/model/shard.js'
import { LogWriter } from '../../core/store/logWriter.js'
import { memoryStore } from '../../transports/memory/memoryStore.js'
import { until } from '../support/eventually.js'
import { type TestHost, TestSystem } from '../support/testSystem.js'
import { CartV1 } from './cartClasses.js'
import { allOwned, cart, ids, offering, ownedBy } from './offeredCarts.js'

const shards = [0, 1, 2, 3, 4, 5, 6, 7]
/** Of entries in each log, and how long each takes to be read. */
const entries = 150
const paceMs = 6

/** A node of each shard. */
const first = shards.map((shard) => ids.find((id) => shardOf(id, 8) === shard)!)

async function withLongLogs(system: TestSystem) {
  for (let i = 0; i < entries; i++) await Promise.all(first.map((id) => cart(system.desk, id).add(`${i}`)))
  for (const shard of shards) system.shardLogs.shard('cart', shard).log.pace = () => paceMs
}

/** The longest wait of a call, in virtual time, while something happens. */
async function longestWait(system: TestSystem, happens: () => Promise<unknown>): Promise<number> {
  let [isOver, longestMs] = [false, 0]
  const running = first.map(async (id) => {
    while (!isOver) {
      const beganMs = system.clock.now()
      await cart(system.desk, id).add('x')
      longestMs = Math.max(longestMs, system.clock.now() - beganMs)
      await system.clock.passes(50)
    }
  })
  const ended = Promise.all(running)
  await Promise.race([happens(), ended])
  isOver = true
  await ended
  return longestMs
}

async function joins(t: ExecutionContext, settings = {}) {
  const { system, hosts } = await offering(t, ['a'], { shardSettleMs: 400, ...settings })
  await withLongLogs(system)
  const b = await system.host('b')
  return { system, a: hosts[0]!, b }
}

const has = (host: TestHost, most: number) => until(() => ownedBy(host).length >= most, `it has ${most} shards`)

test('H9: a shard moves to a host that joins when that has copied it, and calls wait for its last entries only', async (t) => {
  const { system, a, b } = await joins(t)
  const longestMs = await longestWait(system, async () => {
    await b.offer(CartV1)
    await has(b, 3)
  })
  // A log is read for a second.
  t.true(longestMs < 300, `${longestMs} ms`)
  await allOwned([a, b])
  for (const id of first) t.true((await cart(system.desk, id).items()).length > 0)
})

test('H9: a host that stops waits until others have copied its shards, and calls wait for the last entries only', async (t) => {
  const { system, a, b } = await joins(t)
  await b.offer(CartV1)
  await has(b, 3)
  const longestMs = await longestWait(system, async () => {
    await a.running.stop()
    await allOwned([b])
  })
  t.true(longestMs < 300, `${longestMs} ms`)
})

test('a host that stops waits no longer for a copy than half of its time', async (t) => {
  const { system, a, b } = await joins(t, { leaveMs: 4_000 })
  await b.offer(CartV1)
  await has(b, 3)
  // The rest of each log is out of reach for the other.
  const mine = new Set(ownedBy(a))
  for (const shard of shards)
    system.shardLogs.shard('cart', shard).log.pace = (reader) => (reader === 'b' && mine.has(shard) ? 60_000 : 0)
  const beganMs = system.clock.now()
  await a.running.stop()
  const tookMs = system.clock.now() - beganMs
  t.true(tookMs >= 2_000 && tookMs <= 4_000, `${tookMs} ms`)
})

test('a host that does not copy a shard does not get it, and others are asked no more for a while', async (t) => {
  const { system, a, b } = await joins(t, { shardPrepareMs: 5_000 })
  for (const shard of shards) system.shardLogs.shard('cart', shard).log.view = (reader) => (reader === 'b' ? 'nothing' : 'all')
  const terms = () => a.running.shards.reduce((sum, { term }) => sum + term, 0)
  const before = terms()
  const longestMs = await longestWait(system, async () => {
    await b.offer(CartV1)
    await system.clock.passes(20_000)
  })
  t.true(longestMs < 100, `${longestMs} ms`)
  t.is(ownedBy(a).length, 8)
  t.is(terms(), before)
  // Its logs are there again: it gets its part when the pause is over.
  for (const shard of shards) {
    const { log } = system.shardLogs.shard('cart', shard)
    log.view = undefined
    log.pace = undefined
  }
  await system.clock.passes(70_000)
  await has(b, 3)
})

test('the next host is lost while it copies a shard: its owner goes on', async (t) => {
  const { system, a, b } = await joins(t)
  await b.offer(CartV1)
  await until(() => a.running.shards.length === 8, 'all are there')
  await system.clock.passes(1_000)
  b.kill()
  await system.clock.passes(40_000)
  t.is(ownedBy(a).length, 8)
  for (const id of first) t.true((await cart(system.desk, id).add('2')) > 0)
})

test('the owner is lost while the next host copies a shard: that goes on from its copy', async (t) => {
  const { system, a, b } = await joins(t)
  const counts = new Map<string, number>()
  for (const id of first) counts.set(id, await cart(system.desk, id).add('1'))
  await b.offer(CartV1)
  await system.clock.passes(1_500)
  a.kill()
  await allOwned([b])
  for (const id of first) t.is(await cart(system.desk, id).add('2'), counts.get(id)! + 1)
})

/** The shards whose entries came, one after the other, while all were copied. */
async function copied(t: ExecutionContext, shardCopiesMax: number): Promise<readonly number[]> {
  const system = await TestSystem.start(t)
  const { clock } = system
  const copying = new FewAtOnce(shardCopiesMax)
  const logs = system.shardLogs.client('b')
  const read: number[] = []
  const copies = [0, 1, 2, 3].map(async (shard) => {
    const log = await logs.open('cart', shard)
    const writer = new LogWriter(log, clock, { position: 0, end: emptyChain })
    for (let i = 0; i < 10; i++) await new Promise<unknown>((counted) => writer.append({ make, counted, lost: counted }))
    const tail = new LogTail(log, `shard ${shard}`, () => {})
    await tail.advance()
    system.shardLogs.shard('cart', shard).log.pace = () => read.push(shard) && 1
    const cache = new ShardCache(`cart/${shard}`, await memoryStore({ turn: (action) => clock.turn(action) }).open())
    const copy = new ShardCopy(log, cache, `shard ${shard}`, { clock, copying, settings: defaultSettings })
    await copy.restore(tail)
    t.is(copy.number, 10)
  })
  await Promise.all(copies)
  return read
}

const make = (after: ChainEnd) => [nextEntry(after, { kind: 'beat' })]
const changes = (read: readonly number[]) => read.filter((shard, i) => i > 0 && shard !== read[i - 1]).length

test('a host begins so many copies at once', async (t) => {
  t.is(changes(await copied(t, 1)), 3)
  t.true(changes(await copied(t, 4)) > 10)
})

test('work that fails makes place for the next', async (t) => {
  const few = new FewAtOnce(1)
  const failed = few.run(() => Promise.reject(new Error('it failed')))
  const next = few.run(async () => 5)
  await t.throwsAsync(failed, { message: 'it failed' })
  t.is(await next, 5)
  t.is(await few.run(async () => 6), 6)
})
