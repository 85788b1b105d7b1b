/** The owner of a shard: claims, the lease, take-over, and the state that it restores (rules H1 to H9). */
import test from 'ava'
import { ShardLease } from '../../actors/shards/shardLease.js'
import type { AppendInTransit } from '../../transports/memory/memoryLogFaults.js'
import { until } from '../support/eventually.js'
import { codeOf } from '../support/rejections.js'
import { all, type Contender, got, put, world } from './shardsFixture.js'

/** Whether the host's copy holds so many entries. */
const copied = ({ cache }: Contender, entries: number) => (cache?.held?.end.number ?? 0) >= entries

test('H5: a shard that nobody has is claimed at once; one that was released too', async (t) => {
  const { clock, host } = world(t)
  const began = clock.now()
  const a = await host('a').own()
  await put(a!, 'k', '1')
  t.is(a!.term, 1)
  await a!.release(null)
  const b = await host('b').own()
  t.is(b!.term, 2)
  t.is(got(b, 'k'), '1')
  t.true(clock.now() - began < 3_000)
})

test('H5: an owner that lives keeps its shard, however long it says nothing; one that dies is followed after its lease', async (t) => {
  const { clock, host } = world(t)
  const first = host('a')
  const a = await first.own()
  await put(a!, 'k', '1')
  const second = host('b')
  const owned = second.own()
  await clock.passes(120_000)
  t.is(second.owned, undefined)
  t.is(a!.lease.state, 'held')
  first.kill()
  const killed = clock.now()
  const b = await owned
  t.is(got(b, 'k'), '1')
  const tookMs = clock.now() - killed
  t.true(tookMs > 6_000 && tookMs < 13_000, `${tookMs}`)
})

test('H4: an owner that was frozen has no lease when it goes on, and never again when another has the shard', async (t) => {
  const { clock, host } = world(t)
  const first = host('a')
  const a = await first.own()
  first.freeze()
  const b = await host('b').own()
  t.is(a!.lease.state, 'lapsed')
  let hasLeft = false
  t.true(a!.lease.holds(() => void (hasLeft = true)))
  let lost = 0
  a!.lost.on(() => lost++)
  first.thaw()
  await until(() => lost === 1, 'the first hears of it')
  t.is(a!.lease.state, 'lost')
  t.is(await codeOf(put(a!, 'k', 'of the dead')), 'unavailable.storage')
  await put(b!, 'k', 'of the living')
  t.is(got(b, 'k'), 'of the living')
  await clock.passes(60_000)
  t.false(hasLeft)
})

test('H4: after a short freeze the lease is held again with the next beat, and what has waited goes on', async (t) => {
  const { clock, host } = world(t)
  const first = host('a')
  const a = await first.own()
  const heard: string[] = []
  a!.lapses.on(() => heard.push('lapsed'))
  a!.renewals.on(() => heard.push('renewed'))
  first.freeze()
  await clock.passes(9_000)
  t.is(a!.lease.state, 'lapsed')
  const left = new Promise<void>((resolve) => t.true(a!.lease.holds(resolve)))
  first.thaw()
  await left
  t.is(a!.lease.state, 'held')
  t.deepEqual(heard.slice(-1), ['renewed'])
})

test('H4: nothing may leave in the guard’s time before the lease ends', async (t) => {
  const { clock, host, shard } = world(t)
  const a = await host('a').own()
  shard.log.fate = () => 'lose'
  await clock.passes(7_900)
  const before = a!.lease.state
  await clock.passes(200)
  t.deepEqual([before, a!.lease.state], ['held', 'lapsed'])
})

test('H4: a machine that was suspended shows in the time of day alone', (t) => {
  let [ms, wallMs] = [0, 1_000_000]
  const clock = { now: () => wallMs, monotonicMs: () => ms, after: () => () => {}, turn: () => {} }
  let wanted = 0
  const lease = new ShardLease(clock, { leaseMs: 10_000, guardMs: 2_000 }, () => wanted++)
  t.is(lease.state, 'lapsed')
  lease.renewed(lease.moment())
  t.false(lease.holds(() => t.fail()))
  wallMs += 8_000
  t.is(lease.state, 'lapsed')
  let left = 0
  t.true(lease.holds(() => left++))
  t.deepEqual([wanted, lease.waiting], [1, 1])
  lease.renewed({ ms: ms + 1, wallMs: wallMs - 9_000 })
  t.deepEqual([left, lease.waiting], [0, 1], 'acknowledged too late')
  ms += 10
  wallMs -= 3_600_000
  lease.renewed(lease.moment())
  t.deepEqual([left, lease.waiting, lease.state], [1, 0, 'held'])
  lease.lose()
  t.true(lease.holds(() => t.fail()))
  lease.renewed(lease.moment())
  t.deepEqual([lease.state, lease.waiting, wanted], ['lost', 0, 1])
})

test('H9: a shard that is left to a host is left to it for a while, then to anybody', async (t) => {
  const { clock, host } = world(t)
  const a = await host('a').own()
  const c = host('c')
  c.isWanted = false
  const asked = c.own()
  await a!.release('c')
  const began = clock.now()
  const b = host('b').own()
  await clock.passes(2_000)
  c.isWanted = true
  const owned = await Promise.race([asked.then(() => 'c'), b.then(() => 'b')])
  t.is(owned, 'c')
  t.true(clock.now() - began < 6_000)
  const next = world(t)
  const again = await next.host('a').own()
  await again!.release('nobody')
  const from = next.clock.now()
  await next.host('b').own()
  const waitedMs = next.clock.now() - from
  t.true(waitedMs >= 3_000 && waitedMs < 6_000, `${waitedMs}`)
})

test('a host that comes back on its own disk waits for nobody', async (t) => {
  const { clock, host } = world(t)
  const first = host('a')
  await put((await first.own())!, 'k', '1')
  first.kill()
  const killed = clock.now()
  const again = first.again()
  t.teardown(() => again.stop())
  const owned = await again.own()
  t.is(got(owned, 'k'), '1')
  t.true(clock.now() - killed < 2_000)
})

test('H3: an append whose answer is lost counts once; one that never arrived is repeated', async (t) => {
  const { host, shard } = world(t)
  const a = await host('a').own()
  const fates = ['lose-answer', 'lose', 'in-flight', 'lose-answer'] as const
  let asked = 0
  shard.log.fate = () => fates[asked++] ?? 'deliver'
  await put(a!, 'k', '1')
  await put(a!, 'l', '2')
  t.deepEqual(all(a!), [
    ['k', '1'],
    ['l', '2'],
  ])
  t.is(shard.log.last, 3)
})

test('H3: a stale answer to a read decides nothing', async (t) => {
  const { host, shard } = world(t)
  const a = await host('a').own()
  let asked = 0
  shard.log.fate = () => (++asked === 1 ? 'lose-answer' : 'deliver')
  let looks = 0
  shard.log.view = () => (++looks <= 2 ? { staleBy: 1 } : 'all')
  await put(a!, 'k', '1')
  t.is(shard.log.last, 2)
  t.is(a!.lease.state, 'held')
})

test('an append that is late, of an owner which was replaced, is refused: it and its successor agree that it does not count', async (t) => {
  const { host, shard } = world(t)
  const first = host('a')
  const a = await first.own()
  let isFirst = true
  shard.log.fate = ({ writer }: AppendInTransit) => {
    const isDelayed = writer === 'a' && isFirst
    if (isDelayed) isFirst = false
    return isDelayed ? { arrivesAfterMs: 30_000 } : 'deliver'
  }
  const late = codeOf(put(a!, 'k', 'late'))
  first.freeze()
  const b = await host('b').own()
  first.thaw()
  t.is(await late, 'unavailable.storage')
  t.deepEqual(all(b!), [])
})

test('a commit larger than an entry is whole or not there', async (t) => {
  const { host, shard } = world(t)
  const first = host('a')
  const a = await first.own()
  const large = 'x'.repeat(9_000)
  await put(a!, 'large', large)
  t.true(shard.log.last > 4)
  const { last } = shard.log
  shard.log.fate = () => 'never-answer'
  void codeOf(put(a!, 'torn', large))
  await until(() => shard.log.last > last + 3, 'its parts are there')
  shard.log.loseAfter(last + 3)
  first.kill()
  shard.log.fate = undefined
  const b = await host('b').own()
  t.deepEqual(all(b!), [['large', large]])
  await put(b!, 'next', large)
  t.is(got(b, 'next'), large)
})

test('a commit that the log refuses leaves no trace, and the next one goes on', async (t) => {
  const { host, shard } = world(t)
  const first = host('a')
  const a = await first.own()
  let asked = 0
  shard.log.fate = () => (++asked === 2 ? 'full' : 'deliver')
  t.is(await codeOf(put(a!, 'large', 'x'.repeat(5_000))), 'unavailable.storage')
  await put(a!, 'k', '1')
  await put(a!, 'large', 'y'.repeat(5_000))
  first.kill()
  const b = await host('b').own()
  t.deepEqual(all(b!), [
    ['k', '1'],
    ['large', 'y'.repeat(5_000)],
  ])
})

test('H7: a log that has lost entries which this host has seen starts nowhere here, and the copy stays', async (t) => {
  const { host, shard } = world(t)
  const first = host('a')
  const a = await first.own()
  await put(a!, 'k', '1')
  await put(a!, 'l', '2')
  await until(() => copied(first, 3), 'the copy has followed')
  first.kill()
  shard.log.loseAfter(2)
  const again = first.again()
  t.teardown(() => again.stop())
  t.is(await codeOf(again.own()), 'config.log-lost')
})

test('H7: so does one whose chain is another', async (t) => {
  const { host, shard } = world(t)
  const first = host('a')
  const a = await first.own()
  await put(a!, 'k', '1')
  await put(a!, 'l', '2')
  await until(() => copied(first, 3), 'the copy has followed')
  first.kill()
  shard.log.loseAfter(1)
  const b = await host('b').own()
  for (const key of ['m', 'n', 'o']) await put(b!, key, '3')
  await b!.release(null)
  const again = first.again()
  t.teardown(() => again.stop())
  t.is(await codeOf(again.own()), 'config.log-lost')
})

test('H1: an entry of a server that accepted two at one place does not count, and is reported', async (t) => {
  const { host, shard } = world(t)
  const first = host('a')
  const a = await first.own()
  first.freeze()
  const second = host('b')
  const b = await second.own()
  await put(b!, 'k', 'b')
  shard.log.fate = ({ writer }) => (writer === 'a' ? 'accept-anyway' : 'deliver')
  first.thaw()
  await put(a!, 'k', 'a').catch(() => {})
  await until(() => shard.log.entries.length > 3, 'the log has an entry of the first')
  shard.log.fate = undefined
  second.kill()
  const third = host('c')
  const c = await third.own()
  t.is(got(c, 'k'), 'b')
  t.true(
    third.warnings.some((text) => text.includes('continues nothing')),
    third.warnings.join(),
  )
})

test('a claim whose first copy was long on its way: its lease has begun with that', async (t) => {
  const { clock, host, shard } = world(t)
  const sent: number[] = []
  shard.log.fate = () => {
    sent.push(clock.now())
    // Those after it are refused.
    return sent.length === 1 ? { arrivesAfterMs: 5_000 } : 'full'
  }
  const a = await host('a').own()
  t.is(a!.term, 1)
  t.true(a!.lease.agedMs >= 5_000)
})

test('the same for a beat: the lease runs from its first copy', async (t) => {
  const { clock, host, shard } = world(t)
  const a = await host('a').own()
  const sent: number[] = []
  shard.log.fate = () => {
    sent.push(clock.now())
    return sent.length === 1 ? { arrivesAfterMs: 3_000 } : sent.length === 2 ? 'full' : 'deliver'
  }
  await until(() => sent.length >= 3, 'a third copy')
  await clock.passes(1)
  t.true(a!.lease.agedMs >= clock.now() - sent[0]! - 5, `${a!.lease.agedMs}, sent ${clock.now() - sent[0]!} ms ago`)
})

test('an owner whose log has lost acknowledged entries says so, and answers nothing meanwhile', async (t) => {
  const { clock, host, shard } = world(t)
  const first = host('a')
  const a = await first.own()
  await put(a!, 'k', '1')
  await put(a!, 'l', '2')
  shard.log.loseAfter(2)
  await clock.passes(60_000)
  t.is(a!.lease.state, 'lapsed')
  t.deepEqual(first.warnings.filter((text) => text.includes('has lost entries')).length, 1, first.warnings.join())
})

test('a host that was cut off while it restored a shard, whose successor has trimmed the log, does not call that lost', async (t) => {
  const { clock, host, shard } = world(t, { snapshotBytesMin: 3_000 })
  const first = host('a')
  const a = await first.own()
  for (let i = 0; i < 5; i++) await put(a!, `k${i}`, 'x'.repeat(100))
  await a!.release(null)
  first.stop()
  // It reads as far as its own claim.
  let isCutOff = true
  const claimed = () => shard.log.last > 7
  let looks = 0
  shard.log.view = (reader) => (reader === 'b' && isCutOff && claimed() && ++looks > 1 ? 'nothing' : 'all')
  shard.log.fate = ({ writer }) => (writer === 'b' && isCutOff && claimed() ? 'lose' : 'deliver')
  const restored = host('b').own()
  await until(claimed, 'it has claimed the shard')
  const c = await host('c').own()
  for (let i = 0; i < 8; i++) await put(c!, `l${i}`, 'x'.repeat(1_000))
  await until(() => shard.log.entries[0]!.position > 8, 'the log is cut off')
  t.true(looks > 2)
  isCutOff = false
  await clock.passes(20_000)
  t.is(await restored, undefined)
  t.is(got(c, 'k0'), 'x'.repeat(100))
})
