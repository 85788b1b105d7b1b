/** A shard's state is copied while its owner serves, and a copy is put in the state's place (H5 to H8). */
import test, { type ExecutionContext } from 'ava'
import type { LogEnd } from '../../actors/shards/logTail.js'
import type { OwnedShard } from '../../actors/shards/ownedShard.js'
import { copyShard } from '../../actors/shards/shardBackup.js'
import { ShardReplacement } from '../../actors/shards/shardReplacement.js'
import type { Write } from '../../core/ports/stateStore.js'
import type { AppendFate } from '../../transports/memory/memoryLogFaults.js'
import { memoryShardLogs } from '../../transports/memory/memoryShardLogs.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { until } from '../support/eventually.js'
import { codeOf } from '../support/rejections.js'
import { VirtualClock } from '../support/virtualClock.js'
import { Contender, type shardSettings } from './shardsFixture.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

function world(t: ExecutionContext, settings: Partial<typeof shardSettings> = {}) {
  const clock = new VirtualClock()
  const logs = memoryShardLogs({ clock, entryBytesMax: 2_000, durability: 'replicated', sliceBytesMax: 300 })
  const hosts: Contender[] = []
  t.teardown(() => {
    for (const host of hosts) host.stop()
    clock.stop()
  })
  const random = seededRandom(7)
  const host = (name: string) => {
    const made = new Contender(name, { clock, logs, random, settings })
    hosts.push(made)
    return made
  }
  const observed: string[] = []
  const replacement = async (client = 'operator') => {
    const log = await logs.client(client).open('pages', 0)
    const observe = (event: { type: string; message?: string }) => void observed.push(`${event.message}`)
    return new ShardReplacement(log, 'shard 0 of pages', { clock, random, observe })
  }
  /** The whole order. */
  const restore = async (copy: Copy) => {
    const made = await replacement()
    if (!(await made.isFree()) || !(await made.claim())) return false
    const isPut = await made.put(writesOf(copy.writes), copy.end.number)
    await made.release()
    return isPut
  }
  return { clock, logs, host, shard: logs.shard('pages', 0), replacement, restore, observed }
}

interface Copy {
  readonly writes: readonly Write[]
  readonly end: LogEnd
}

async function* writesOf(writes: readonly Write[]): AsyncGenerator<readonly Write[]> {
  for (const write of writes) yield [write]
}

async function copyOf({ logs }: ReturnType<typeof world>, between: () => Promise<unknown> = async () => {}): Promise<Copy> {
  let writes: Write[] = []
  const log = await logs.client('reader').open('pages', 0)
  const end = await copyShard(
    log,
    'shard 0 of pages',
    {
      begin: async () => {
        writes = []
      },
      take: async (some) => {
        writes.push(...some)
        await between()
      },
    },
    () => {},
  )
  return { writes, end }
}

const put = (shard: OwnedShard, key: string, value: string) => shard.store.commit([[key, text(value)]])
const all = (shard: OwnedShard) =>
  Object.fromEntries([...shard.store.range('', '\u{10ffff}')].map(([key, value]) => [key, Buffer.from(value).toString()]))
const stateOf = ({ writes }: Copy) => {
  const state = new Map<string, string>()
  for (const [key, value] of writes) {
    if (value === null) state.delete(key)
    else state.set(key, Buffer.from(value).toString())
  }
  return Object.fromEntries([...state].sort())
}

test('a copy of a shard is whole, has no deleted value, and nothing of its owner is disturbed', async (t) => {
  const at = world(t)
  const a = await at.host('a').own()
  await put(a!, 'k', '1')
  await put(a!, 'l', '2')
  await a!.store.commit([['k', null]])
  const copy = await copyOf(at)
  t.deepEqual(stateOf(copy), { l: '2' })
  await put(a!, 'm', '3')
  t.deepEqual(all(a!), { l: '2', m: '3' })
})

test('a copy that is taken while the owner writes, snapshots and cuts its log off has all that was acknowledged before', async (t) => {
  const at = world(t, { snapshotBytesMin: 2_000 })
  const a = await at.host('a').own()
  let written = 0
  const write = async () => {
    written++
    await put(a!, `k${written % 20}`, `${written}-${'x'.repeat(60)}`)
  }
  for (let i = 0; i < 200; i++) await write()
  const before = all(a!)
  let steps = 0
  const copy = await copyOf(at, async () => {
    if (steps++ < 20) for (let i = 0; i < 20; i++) await write()
  })
  t.true(steps > 20, 'its beginning was cut off, and it began again')
  const found = stateOf(copy)
  t.deepEqual(Object.keys(found), Object.keys(before))
  for (const [key, value] of Object.entries(found)) t.true(Number.parseInt(value, 10) >= Number.parseInt(before[key]!, 10), key)
})

test('an older state takes the place of a newer one, also on hosts whose copies hold the newer', async (t) => {
  const at = world(t)
  const first = at.host('a')
  const a = await first.own()
  await put(a!, 'k', 'old')
  await put(a!, 'gone', 'x')
  const copy = await copyOf(at)
  await put(a!, 'k', 'new')
  await put(a!, 'later', 'y')
  await until(() => (first.cache?.held?.end.number ?? 0) >= 5, 'the copy of the host has followed')
  await a!.release(null)
  first.kill()
  t.true(await at.restore(copy))
  const again = await first.again().own()
  t.deepEqual(all(again!), { gone: 'x', k: 'old' })
  await put(again!, 'k', 'newest')
  await again!.release(null)
  const b = await at.host('b').own()
  t.deepEqual(all(b!), { gone: 'x', k: 'newest' })
})

for (const [name, lose] of [
  ['ends before what a host has seen', 3],
  ['is empty', 0],
] as const) {
  test(`a log that ${name} is restored, and that host neither believes its copy nor calls the log lost`, async (t) => {
    const at = world(t)
    const first = at.host('a')
    const a = await first.own()
    await put(a!, 'k', 'old')
    const copy = await copyOf(at)
    for (const key of ['m', 'n', 'o', 'p']) await put(a!, key, 'new')
    await until(() => (first.cache?.held?.end.number ?? 0) >= 6, 'the copy of the host has followed')
    first.kill()
    at.shard.log.loseAfter(lose)
    const lost = first.again()
    t.is(await codeOf(lost.own()), 'config.log-lost')
    lost.kill()
    t.true(await at.restore(copy))
    const again = await first.again().own()
    t.deepEqual(all(again!), { k: 'old' })
    for (let i = 0; i < 20; i++) await put(again!, `x${i}`, 'more')
    await again!.release(null)
    const b = await at.host('b').own()
    t.is(Object.keys(all(b!)).length, 21)
  })
}

test('H7: a log that loses entries after it was restored is noticed as ever', async (t) => {
  const at = world(t)
  const a = await at.host('a').own()
  await put(a!, 'k', 'old')
  const copy = await copyOf(at)
  await a!.release(null)
  await at.restore(copy)
  const second = at.host('b')
  const b = await second.own()
  await put(b!, 'l', '1')
  await until(() => all(b!).l === '1' && second.cache?.get('l') !== undefined, 'the copy has followed')
  second.kill()
  at.shard.log.loseAfter(at.shard.log.last - 1)
  t.is(await codeOf(second.again().own()), 'config.log-lost')
})

test('H5: a shard whose owner lives is not replaced; one whose owner is dead is, after its lease', async (t) => {
  const at = world(t)
  const first = at.host('a')
  const a = await first.own()
  await put(a!, 'k', '1')
  const copy = await copyOf(at)
  t.false(await at.restore(copy))
  t.is(a!.lease.state, 'held')
  first.kill()
  const killedMs = at.clock.now()
  t.true(await at.restore(copy))
  t.true(at.clock.now() - killedMs >= 9_000)
})

test('an owner that claims between the look and the claim has the shard, and nothing is changed', async (t) => {
  const at = world(t)
  const replacement = await at.replacement()
  t.true(await replacement.isFree())
  const a = await at.host('a').own()
  t.false(await replacement.claim())
  await put(a!, 'k', '1')
  t.deepEqual(all(a!), { k: '1' })
})

test('a claim for an order that takes long is kept by beats: no host takes the shard meanwhile', async (t) => {
  const at = world(t)
  const replacement = await at.replacement()
  await replacement.isFree()
  t.true(await replacement.claim())
  const host = at.host('a')
  const owned = host.own()
  async function* slow(): AsyncGenerator<readonly Write[]> {
    for (let i = 0; i < 10; i++) {
      await at.clock.passes(8_000)
      yield [[`k${i}`, text('v')]]
    }
  }
  t.true(await replacement.put(slow(), 0))
  t.is(host.owned, undefined)
  await replacement.release()
  t.is(Object.keys(all((await owned)!)).length, 10)
})

/** The order ends with its process before its n-th append gets to the log, or right after it. */
for (const fate of ['lose', 'never-answer'] as const satisfies readonly AppendFate[])
  for (const kind of [1, 2, 3] as const) {
    const when = fate === 'lose' ? 'before' : 'after'
    const state = kind === 1 || (kind === 2 && fate === 'lose') ? 'as it was' : 'as restored'
    test(`an order that ends ${when} its append ${kind} leaves the state ${state}; given again it restores`, async (t) => {
      const at = world(t)
      const first = at.host('a')
      const a = await first.own()
      await put(a!, 'k', 'old')
      const copy = await copyOf(at)
      await put(a!, 'k', 'new')
      await until(() => first.cache?.get('k') !== undefined, 'the copy has followed')
      await a!.release(null)
      first.kill()
      const operator = at.logs.client('killed')
      const log = await operator.open('pages', 0)
      const killed = new ShardReplacement(log, 'shard 0 of pages', {
        clock: at.clock,
        random: seededRandom(9),
        observe: () => {},
      })
      let appends = 0
      at.shard.log.fate = ({ writer }) => {
        if (writer !== 'killed') return 'deliver'
        appends++
        if (appends > kind) return 'lose'
        return appends === kind ? fate : 'deliver'
      }
      void killed
        .isFree()
        .then(() => killed.claim())
        .then(() => killed.put(writesOf(copy.writes), copy.end.number))
        .then(() => killed.release())
        .catch(() => {})
      await until(() => appends >= kind, 'the append was made')
      await at.clock.passes(100)
      operator.abandon()
      const again = await first.again().own()
      t.deepEqual(all(again!), { k: state === 'as it was' ? 'new' : 'old' })
      await again!.release(null)
      t.true(await at.restore(copy))
      const b = await at.host('b').own()
      t.deepEqual(all(b!), { k: 'old' })
    })
  }
