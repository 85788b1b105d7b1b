/** Sharded services whose owners go away at bad moments: upgrades, permits and calls come to their end. */
import test from 'ava'
import { ranked, shardOf } from '../../core/model/shard.js'
import { command, NodeObject } from '../../index.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'
import { CartV1, toV2 } from './cartClasses.js'
import { allOwned, cart, ids, offering, ownedBy } from './offeredCarts.js'

const few = ids.slice(0, 6)

const rowsOf = async (system: TestSystem) => (await system.database.nodes()).filter(({ service }) => service === 'cart')

async function allAt(system: TestSystem, version: number) {
  const untilMs = system.clock.now() + 120_000
  for (;;) {
    const rows = await rowsOf(system)
    const late = rows.filter((row) => row.version !== version || row.phase !== 'current')
    if (late.length === 0) return rows
    if (system.clock.now() > untilMs)
      throw new Error(`not at ${version}: ${late.map(({ nodeId, phase, version }) => `${nodeId} ${phase} at ${version}`)}`)
    await system.clock.passes(500)
  }
}

for (const phase of [
  'fetching',
  'verifying',
  'scheduled',
  'draining',
  'transforming',
  'checking',
  'flipping',
  'current',
] as const)
  test(`an owner is killed for good when a node is ${phase}: the rollout ends without calls`, async (t) => {
    const { system, hosts } = await offering(t, ['a', 'b'], { limit: { nodes: 1 } })
    const [a, b] = hosts
    for (const id of ids) await cart(system.desk, id).add('1')
    const killed = a!.killedAt(
      (event) => event.type === 'phase' && event.phase === phase && (phase !== 'current' || event.version === 1),
    )
    await system.publish(toV2())
    await killed
    await allOwned([b!])
    const rows = await allAt(system, 1)
    t.is(rows.length, ids.length)
    for (const id of ids) t.is(await cart(system.desk, id).add('2'), 2)
  })

test('a node does not fall asleep before the upgrade database knows how far it is', async (t) => {
  const { system, hosts } = await offering(t, ['a'], { limit: { nodes: 1 }, wakingMax: 64 })
  const [a] = hosts
  for (const id of few) await cart(system.desk, id).add('1')
  let isAway = false
  const database = system.database
  const unless = <T>(ask: () => Promise<T>): Promise<T> => (isAway ? Promise.reject(new Error('away')) : ask())
  a!.changeDatabase({
    report: (...args) => unless(() => database.report(...args)),
    releasePermit: (...args) => unless(() => database.releasePermit(...args)),
  })
  let isOnce = true
  a!.running.observe((event) => {
    if (event.type !== 'phase' || event.phase !== 'transforming' || !isOnce) return
    isOnce = false
    isAway = true
  })
  await system.publish(toV2())
  await until(() => isAway, 'one is transforming')
  await system.clock.passes(20_000)
  isAway = false
  t.is((await allAt(system, 1)).length, few.length)
})

test('an owner is killed while a node is born: the next one completes the birth, and no row stays without a node', async (t) => {
  const { system, hosts } = await offering(t, ['a', 'b'])
  const [a, b] = hosts
  const [id] = ids.filter((each) => ownedBy(a!).includes(shardOf(each, 8)))
  const { database } = system
  a!.changeDatabase({
    async register(...args) {
      await database.register(...args)
      a!.kill()
      return new Promise(() => {})
    },
  })
  const born = cart(system.desk, id!).add('1')
  born.catch(() => {})
  await allOwned([b!])
  await system.publish(toV2())
  t.deepEqual(
    (await allAt(system, 1)).map(({ nodeId, hostId }) => [nodeId, hostId]),
    [[id, 'b']],
  )
})

test('a birth that fails is tried again without a call', async (t) => {
  const { system, hosts } = await offering(t, ['a'])
  const [a] = hosts
  const { database } = system
  let fails = 2
  a!.changeDatabase({
    async register(...args) {
      const answer = await database.register(...args)
      if (--fails >= 0) throw new Error('the answer is lost')
      return answer
    },
  })
  await t.throwsAsync(system.desk.ref(CartV1, 'cart0', { deadline: '400ms' }).add('1'))
  await system.clock.passes(10_000)
  // A query makes no node.
  t.deepEqual(await cart(system.desk, 'cart0').items(), [])
})

test('the upgrade database has lost all: it is told of nodes that are asleep too', async (t) => {
  const { system, hosts } = await offering(t, ['a'], { leaseMs: 3_000 })
  const before = system.udb.backup()
  for (const id of ids) await cart(system.desk, id).add('1')
  await system.clock.passes(20_000)
  t.is(
    hosts[0]!.running.shards.reduce((sum, { awake }) => sum + awake, 0),
    0,
  )
  // One of each shard is awake, and hears of the loss.
  for (let shard = 0; shard < 8; shard++) await cart(system.desk, ids.find((id) => shardOf(id, 8) === shard)!).items()
  system.udb.restore(before)
  system.udb.restart()
  t.is((await rowsOf(system)).length, 0)
  const untilMs = system.clock.now() + 120_000
  while ((await rowsOf(system)).length < ids.length && system.clock.now() < untilMs) await system.clock.passes(500)
  t.is((await rowsOf(system)).length, ids.length)
})

/** Its command calls another node of its shard, after a while. */
class RelayV1 extends NodeObject<{ hits: number }> {
  static override readonly className = 'Relay.v1'
  static override readonly shards = 8
  static wait: () => Promise<void>
  static override initial() {
    return { hits: 0 }
  }
  @command hit(): number {
    return ++this.state.hits
  }
  @command async relay(to: string): Promise<number> {
    await RelayV1.wait()
    return await this.ref(RelayV1, to).hit()
  }
}

const relaysOf = (shard: number) =>
  Array.from({ length: 100 }, (_, i) => `relay${i}`)
    .filter((id) => shardOf(id, 8) === shard)
    .slice(0, 4)

test.serial('H9: a shard is handed over while its nodes call each other: their calls end', async (t) => {
  const system = await TestSystem.start(t)
  const [a, b] = [await system.host('a'), await system.host('b')]
  RelayV1.wait = () => system.clock.passes(200)
  for (const host of [a, b]) await host.offer(RelayV1)
  await allOwned([a, b])
  const [y, ...others] = relaysOf(3)
  const owner = [a, b].find((host) => ownedBy(host).includes(3))
  await system.desk.ref(RelayV1, y!).hit()
  const began = system.clock.now()
  const relayed = others.map((id) => system.desk.ref(RelayV1, id, { deadline: '30s' }).relay(y!))
  await system.clock.passes(100)
  const stopped = owner!.stop()
  t.deepEqual((await Promise.all(relayed)).sort(), [2, 3, 4])
  await stopped
  t.true(system.clock.now() - began < 4_000, `${system.clock.now() - began}`)
})

test.serial('H9: a host that stops while it gives shards away releases these too', async (t) => {
  const system = await TestSystem.start(t, { shardMovesMax: 8 })
  const a = await system.host('a')
  RelayV1.wait = () => system.clock.passes(3_000)
  await a.offer(RelayV1)
  await allOwned([a])
  // Only in the shards that are given away calls take long.
  const both = ['a', 'b'].map((hostId) => ({ hostId, capacity: 1 }))
  const moving = Array.from({ length: 8 }, (_, shard) => shard).filter((shard) => ranked('relay', shard, both)[0]!.hostId === 'b')
  const relayed = moving.slice(0, 3).map((shard) => {
    const [from, to] = relaysOf(shard)
    return system.desk.ref(RelayV1, from!, { deadline: '30s' }).relay(to!)
  })
  const b = await system.host('b')
  await b.offer(RelayV1)
  await until(() => ownedBy(a).length < 8, 'some are given away')
  await a.stop()
  const stopped = system.clock.now()
  await allOwned([b])
  t.deepEqual(new Set(await Promise.all(relayed)), new Set([1]))
  t.true(system.clock.now() - stopped < 4_500, `${system.clock.now() - stopped}`)
})

test('H9: a host that stops while it restores a shard releases it', async (t) => {
  const system = await TestSystem.start(t)
  const first = await system.host('a')
  await first.offer(CartV1)
  await allOwned([first])
  for (const id of ids) await cart(system.desk, id).add('1')
  await first.stop()
  const a = await system.host('a')
  for (let shard = 0; shard < 8; shard++) {
    const { log } = system.shardLogs.shard('cart', shard)
    const before = log.last
    // It reads its claim, and then one answers who has not got that far.
    let reads = 0
    log.view = (reader) => (reader === 'a' && log.last > before && ++reads > 1 ? { staleBy: 1 } : 'all')
  }
  await a.offer(CartV1)
  await system.clock.passes(4_000)
  const b = await system.host('b')
  await b.offer(CartV1)
  await a.stop()
  const stopped = system.clock.now()
  await allOwned([b])
  t.true(system.clock.now() - stopped < 6_000, `${system.clock.now() - stopped}`)
})

test('H9: a host that stops while its claim is under way releases the shard: others do not wait for a lease', async (t) => {
  const system = await TestSystem.start(t)
  const a = await system.host('a')
  let claims = 0
  for (let shard = 0; shard < 8; shard++)
    system.shardLogs.shard('cart', shard).log.fate = ({ writer }) =>
      writer === 'a' && ++claims > 0 ? { answerAfterMs: 1_500 } : 'deliver'
  await a.offer(CartV1)
  await until(() => claims > 0, 'a claims shards')
  await a.stop()
  const stopped = system.clock.now()
  const b = await system.host('b')
  await b.offer(CartV1)
  await allOwned([b])
  t.true(system.clock.now() - stopped < 6_000, `${system.clock.now() - stopped}`)
})

test('a service is offered once, even at one moment', async (t) => {
  const system = await TestSystem.start(t)
  const a = await system.host('a')
  const offers = await Promise.allSettled([a.offer(CartV1), a.offer(CartV1)])
  t.deepEqual(offers.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  await allOwned([a])
})
