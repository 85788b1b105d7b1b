/** H8: the log of a shard is cut off behind its snapshots. */
import test from 'ava'
import { FewAtOnce } from '../../actors/base/fewAtOnce.js'
import { LogTail } from '../../actors/shards/logTail.js'
import { ShardCache } from '../../actors/shards/shardCache.js'
import { ShardCopy } from '../../actors/shards/shardCopy.js'
import type { ShardLog } from '../../core/ports/log.js'
import { memoryStore } from '../../transports/memory/memoryStore.js'
import { until } from '../support/eventually.js'
import { codeOf } from '../support/rejections.js'
import { all, bytes, put, shardSettings, world } from './shardsFixture.js'

test('H8: the log is cut off behind snapshots, and the state is whole on a host that has none of it', async (t) => {
  const { host, shard } = world(t, { snapshotBytesMin: 3_000 }, 500)
  const first = host('a')
  const a = await first.own()
  for (let round = 0; round < 60; round++) await put(a!, `key ${round % 20}`, `${round} ${'x'.repeat(200)}`)
  await a!.store.commit([['key 3', null]])
  await until(() => (shard.log.entries[0]?.position ?? 0) > 10, 'the log is cut off')
  const before = all(a!)
  first.kill()
  const b = await host('b').own()
  t.deepEqual(all(b!), before)
  t.is(before.length, 19)
  t.true((await shard.snapshots.names()).length <= 2)
})

test('H8: writes during a snapshot are in the state, whichever came first', async (t) => {
  const { host, shard } = world(t, { snapshotBytesMin: 1_000 }, 300)
  const first = host('a')
  const a = await first.own()
  for (let i = 0; i < 12; i++) await put(a!, `k${String(i).padStart(2, '0')}`, 'x'.repeat(100))
  const named = () => shard.log.entries.length < 12
  let writes = 0
  while (!named() && writes < 200) {
    await a!.store.commit([
      [`k${String(writes % 12).padStart(2, '0')}`, bytes(`new ${writes}`)],
      [`k${String((writes + 5) % 12).padStart(2, '0')}`, null],
    ])
    writes++
  }
  t.true(named())
  const before = all(a!)
  first.kill()
  t.deepEqual(all((await host('b').own())!), before)
})

test('H8: a snapshot begins behind a whole commit, also when it is made between the parts of one', async (t) => {
  const { host, shard } = world(t, { snapshotBytesMin: 11_000 })
  const owner = host('a')
  const a = await owner.own()
  for (let i = 0; i < 4; i++) await put(a!, 'small', 'x'.repeat(1_000))
  const begun = shard.log.last
  // The answer for the first commit is behind those for some parts of the second: they count at one moment.
  let asked = 0
  shard.log.fate = () => [{ answerAfterMs: 100 }, 'deliver' as const, 'deliver' as const][asked++] ?? { answerAfterMs: 300 }
  const first = put(a!, 'first', 'x'.repeat(1_500))
  const large = put(a!, 'large', 'y'.repeat(9_000))
  await first
  await until(() => shard.log.entries[0]!.position >= begun, 'the log is cut off')
  await large
  const before = all(a!)
  owner.kill()
  shard.log.fate = undefined
  t.deepEqual(all((await host('b').own())!), before)
})

test('H8: a value that is larger than a slice of a snapshot is in several', async (t) => {
  const { host, shard } = world(t, { snapshotBytesMin: 3_000 }, 300)
  const first = host('a')
  const a = await first.own()
  await a!.store.commit([
    ['before', bytes('1')],
    ['large', bytes('x'.repeat(5_000))],
    ['next', bytes('2')],
  ])
  await until(() => shard.log.entries[0]!.position > 3, 'the log is cut off')
  const before = all(a!)
  first.kill()
  t.deepEqual(all((await host('b').own())!), before)
  t.deepEqual(first.warnings, [])
})

test('H8: a snapshot is read while its owner makes the next one and trims the log: nothing is missing', async (t) => {
  const { clock, host, logs, shard } = world(t, { snapshotBytesMin: 3_000 })
  const a = await host('a').own()
  const fill = async (name: string) => {
    const { position } = shard.log.entries[0]!
    for (let i = 0; i < 3; i++) await put(a!, `${name} ${i}`, 'x'.repeat(1_000))
    await until(() => shard.log.entries[0]!.position > position, 'the log is cut off')
  }
  await fill('first')
  // The owner goes on as soon as the next one has read the snapshot that there is.
  const log = await logs.client('b').open('pages', 0)
  let reads = 0
  const snapshots: ShardLog['snapshots'] = {
    ...{ sliceBytesMax: log.snapshots.sliceBytesMax, write: () => Promise.reject(new Error('it is not its')) },
    ...{ names: () => log.snapshots.names(), delete: () => Promise.reject(new Error('it is not its')) },
    async *read(name) {
      yield* log.snapshots.read(name)
      if (++reads === 1) await fill('second')
    },
  }
  const watched: ShardLog = Object.create(log, { snapshots: { value: snapshots } })
  const cache = new ShardCache('pages/0', await memoryStore({ turn: (action) => clock.turn(action) }).open())
  const copy = new ShardCopy(watched, cache, 'shard 0', { clock, settings: shardSettings, copying: new FewAtOnce(1) })
  await until(async () => {
    const tail = new LogTail(watched, 'shard 0', () => {})
    await tail.advance()
    return copy.prepare(tail)
  }, 'the copy follows the log')
  t.true(reads > 1)
  t.deepEqual(
    [...cache.range('', '\u{10ffff}')].map(([key]) => key),
    all(a!).map(([key]) => key),
  )
})

test('a log that can’t be read is not read anew for ever: its host says so', async (t) => {
  const { host, shard } = world(t)
  const first = host('a')
  const a = await first.own()
  await put(a!, 'large', 'x'.repeat(9_000))
  first.kill()
  // It begins with the third part of a commit.
  await shard.log.open('w').trim(3)
  t.is(await codeOf(host('b').own()), 'config.log-lost')
})
