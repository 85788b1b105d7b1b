/** Sharded services: nodes that belong to no host, through calls, sleep, moves, deaths of hosts, upgrades. */
import test from 'ava'
import { shardOf } from '../../core/model/shard.js'
import { command, createHost, eagerly, NodeObject, notNeeded, query, upgradeClass } from '../../index.js'
import { memoryStore } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { codeOf, TestSystem } from '../support/testSystem.js'
import { CartV1, CartV2, starts, toV2 } from './cartClasses.js'
import { allOwned, cart, ids, offering, ownedBy } from './offeredCarts.js'

test('a command makes a node, a query of one that is not there does not', async (t) => {
  const { system } = await offering(t, ['a'])
  t.is(await codeOf(cart(system.desk, 'cart1').items()), 'unavailable.no-such-node')
  t.is(await cart(system.desk, 'cart1').add('tea'), 1)
  t.deepEqual(await cart(system.desk, 'cart1').items(), ['tea'])
  t.throws(() => system.desk.ref(CartV1), { code: 'config.invalid', message: /name the node that is called/ })
})

test('a node that nobody calls falls asleep, and a call wakes it with its state', async (t) => {
  const { system, hosts } = await offering(t, ['a'])
  const [a] = hosts
  for (const id of ids) await cart(system.desk, id).add(`of ${id}`)
  const awake = () => a!.running.shards.reduce((sum, shard) => sum + shard.awake, 0)
  t.is(awake(), ids.length)
  // Those who look at the host see them as they see others.
  t.deepEqual(
    a!.running
      .status()
      .nodes.map(({ id }) => id)
      .sort(),
    [...ids].sort(),
  )
  await system.clock.passes(20_000)
  t.is(awake(), 0)
  t.deepEqual(a!.running.status().nodes, [])
  for (const id of ids) t.deepEqual(await cart(system.desk, id).items(), [`of ${id}`])
  t.is(awake(), ids.length)
})

test('calls that arrive while a node falls asleep or wakes are carried out once', async (t) => {
  const { system } = await offering(t, ['a'], { sleepAfterMs: 40 })
  const counts = new Map<string, number>()
  for (let round = 0; round < 60; round++) {
    await system.clock.passes((round * 7) % 90)
    const id = ids[round % 3]!
    const count = await cart(system.desk, id).add(`${round}`)
    const before = counts.get(id) ?? 0
    t.is(count, before + 1)
    counts.set(id, count)
  }
})

test('shards are spread over the hosts that offer the service, and move to one that joins', async (t) => {
  const settings = { shardMovesMax: 1, shardSettleMs: 400 }
  const { system, hosts } = await offering(t, ['a'], settings)
  for (const id of ids) await cart(system.desk, id).add('1')
  const b = await system.host('b', { settings })
  await b.offer(CartV1)
  const began = system.clock.now()
  let fewest = 8
  await until(() => {
    fewest = Math.min(fewest, ownedBy(hosts[0]!).length + ownedBy(b).length)
    return ownedBy(b).length >= 3
  }, 'the second host has some')
  // It has heard the other before it wanted any.
  t.true(system.clock.now() - began >= 400)
  // One is given away, and the one before it is being restored.
  t.true(fewest >= 6, `${fewest} of 8 had an owner`)
  await allOwned([...hosts, b])
  for (const id of ids) t.is(await cart(system.desk, id).add('2'), 2)
})

test('H9: a host that stops leaves its shards to the others, and no call fails', async (t) => {
  const { system, hosts } = await offering(t, ['a', 'b', 'c'])
  const [a, b, c] = hosts
  let isOver = false
  let calls = 0
  const counts = new Map<string, number>()
  const load = ids.slice(0, 12).map(async (id) => {
    while (!isOver) {
      const count = await cart(system.desk, id).add('x')
      counts.set(id, (counts.get(id) ?? 0) + 1)
      t.is(count, counts.get(id)!)
      calls++
      await system.clock.passes(5)
    }
  })
  await system.clock.passes(500)
  await a!.stop()
  await allOwned([b!, c!])
  await system.clock.passes(500)
  await b!.stop()
  await allOwned([c!])
  await system.clock.passes(500)
  isOver = true
  await Promise.all(load)
  t.true(calls > 500, `${calls}`)
})

test('a host is killed for good: its nodes answer elsewhere after its lease, with all that was acknowledged', async (t) => {
  const { system, hosts } = await offering(t, ['a', 'b'], { shardOfferMs: 400 })
  const [a, b] = hosts
  for (const id of ids) await cart(system.desk, id).add('1')
  t.true(ownedBy(a!).length > 0)
  const killedMs = system.clock.now()
  a!.kill()
  for (const id of ids) t.is(await cart(system.desk, id).add('2'), 2)
  // Until it is missed, and its lease.
  const tookMs = system.clock.now() - killedMs
  t.true(tookMs > 8_000 && tookMs < 10_000 + 3_000, `${tookMs}`)
  await allOwned([b!])
})

test('a host that stands still for longer than its lease answers nothing of its shards afterwards', async (t) => {
  const { system, hosts } = await offering(t, ['a', 'b'])
  const [a, b] = hosts
  for (const id of ids) await cart(system.desk, id).add('1')
  system.broker.filter = ({ from }) => (from === 'a' ? 'drop' : 'deliver')
  const log = (shard: number) => system.shardLogs.shard('cart', shard).log
  const mine = ownedBy(a!)
  for (const shard of mine) log(shard).fate = ({ writer }) => (writer === 'a' ? 'lose' : 'deliver')
  await allOwned([b!])
  t.deepEqual(ownedBy(a!).length, mine.length)
  for (const id of ids) t.is(await cart(system.desk, id).add('2'), 2)
  for (const shard of mine) log(shard).fate = undefined
  system.broker.filter = undefined
  await until(() => ownedBy(a!).length < mine.length, 'the first hears of it')
  for (const id of ids) t.is(await cart(system.desk, id).add('3'), 3)
})

test('an upgrade reaches nodes that are asleep, and those that are awake', async (t) => {
  const { system, hosts } = await offering(t, ['a', 'b'])
  for (const id of ids) await cart(system.desk, id).add('1')
  await system.clock.passes(20_000)
  for (const id of ids.slice(0, 6)) await cart(system.desk, id).items()
  await system.publish(toV2())
  const rows = async () => (await system.database.nodes()).filter(({ service }) => service === 'cart')
  await until(
    async () => (await rows()).every(({ version, phase }) => version === 1 && phase === 'current'),
    'all are at version 1',
  )
  t.is((await rows()).length, ids.length)
  const next = (id: string) => system.desk.ref(CartV2, id, { deadline: '60s' })
  for (const id of ids) await next(id).remark(`about ${id}`)
  for (const id of ids) t.is(await cart(hosts[0]!, id).add('2'), 2)
  for (const id of ids) t.is(await next(id).note(), `about ${id}`)
})

test('a host is killed for good in the middle of an upgrade: it goes on elsewhere', async (t) => {
  const { system, hosts } = await offering(t, ['a', 'b'])
  const [a, b] = hosts
  for (const id of ids) await cart(system.desk, id).add('1')
  const killed = a!.killedAt((event) => event.type === 'phase' && event.phase === 'transforming')
  await system.publish(toV2())
  await killed
  for (const id of ids) t.is(await cart(system.desk, id).add('2'), 2)
  const rows = async () => (await system.database.nodes()).filter(({ service }) => service === 'cart')
  await until(
    async () => (await rows()).every(({ version, phase }) => version === 1 && phase === 'current'),
    'all are at version 1',
  )
  await allOwned([b!])
})

test.serial('an upgrade wakes so many sleeping nodes of a shard at once', async (t) => {
  const { system } = await offering(t, ['a'], { wakingMax: 2, shardLeaseMs: 30_000 })
  // All of one shard.
  const alike = Array.from({ length: 400 }, (_, i) => `cart${i}`).filter((id) => shardOf(id, 8) === 3)
  for (const id of alike) await cart(system.desk, id).add('1')
  await system.clock.passes(20_000)
  const { promise, resolve } = Promise.withResolvers<void>()
  Object.assign(starts, { begun: 0, held: promise })
  await system.publish(toV2())
  await until(() => starts.begun > 0, 'some are woken')
  await system.clock.passes(2_000)
  t.is(starts.begun, 2)
  starts.held = undefined
  resolve()
  const rows = async () => (await system.database.nodes()).filter(({ service }) => service === 'cart')
  await until(
    async () => (await rows()).every(({ version, phase }) => version === 1 && phase === 'current'),
    'all are at version 1',
  )
  t.true(alike.length > 20)
})

test('a class upgrade keeps the number of shards', (t) => {
  class CartOf9 extends NodeObject<{ items: string[] }> {
    static override readonly className = 'Cart.of9'
    static override readonly shards = 9
    @command add(item: string): number {
      return this.state.items.push(item)
    }
    @query items(): string[] {
      return this.state.items
    }
  }
  t.throws(
    () =>
      upgradeClass({
        oldClass: CartV1,
        newClass: CartOf9,
        futureSO: notNeeded,
        pastSO: notNeeded,
        transform: (old: { items: string[] }) => old,
        schedule: eagerly(),
      }),
    { code: 'upgrade.invalid', message: /has 8 shards, the new one 9 shards/ },
  )
})

test('what can’t be offered is refused with one line that says what to do', async (t) => {
  const system = await TestSystem.start(t)
  class Plain extends NodeObject {
    static override readonly className = 'Plain.v1'
  }
  await t.throwsAsync(system.desk.offer(Plain), { code: 'config.invalid', message: /static override readonly shards = 64/ })
  await t.throwsAsync(system.desk.node(CartV1, 'c1'), { code: 'config.invalid', message: /use host.offer\(Cart.v1\)/ })
  await t.throwsAsync(system.desk.running.group('g', { cart: CartV1 }), { code: 'config.invalid', message: /use host.offer/ })
  await system.desk.offer(CartV1)
  await t.throwsAsync(system.desk.offer(CartV1), { code: 'config.invalid', message: /already/ })
  await t.throwsAsync(system.desk.running.offer(CartV1, { capacity: 0 }), { code: 'config.invalid' })
})

test('an embedded system has sharded services in its memory', async (t) => {
  const host = await createHost({
    system: `embedded-shards-${process.pid}`,
    state: memoryStore(),
  })
  t.teardown(() => host.stop())
  await host.offer(CartV1)
  t.is(await host.ref(CartV1, 'c1', { deadline: '10s' }).add('tea'), 1)
})

test('a host that has not heard of a version takes over nodes that are there already', async (t) => {
  const { system, hosts } = await offering(t, ['a'])
  const [a] = hosts
  await system.publish(toV2())
  for (const id of ids) await cart(system.desk, id).add('1')
  await until(
    async () => (await system.database.nodes()).every(({ service, version }) => service !== 'cart' || version === 1),
    'all at 1',
  )
  const b = await system.host('b')
  // It hears of no version by itself.
  system.broker.filter = ({ message, to }) => (to === 'b' && message.subject.endsWith('.upgrades') ? 'drop' : 'deliver')
  await b.offer(CartV1)
  a!.kill()
  for (const id of ids) t.is(await cart(system.desk, id).add('2'), 2)
})

test('a shard whose owner had told of more than its log has now is started, and an operator is told', async (t) => {
  const { system, hosts } = await offering(t, ['a', 'b'])
  const [a, b] = hosts
  for (const id of ids) await cart(system.desk, id).add('1')
  await system.clock.passes(2_000)
  const [mine] = ownedBy(a!)
  const { log } = system.shardLogs.shard('cart', mine!)
  a!.kill()
  log.loseAfter(log.last - 2)
  await allOwned([b!])
  t.is(b!.warnings().filter((text) => text.includes('acknowledged entries may be lost')).length, 1)
})
