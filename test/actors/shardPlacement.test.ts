/** Shards that an operator has placed at a host: they go there, and stay there while it is there. */
import test from 'ava'
import { ranked } from '../../core/model/shard.js'
import { until } from '../support/eventually.js'
import { CartV1 } from './cartClasses.js'
import { allOwned, cart, ids, offering, ownedBy } from './offeredCarts.js'

test('a shard that is moved goes to its host with its state, and stays there', async (t) => {
  const { system, hosts } = await offering(t, ['a', 'b'])
  const [a, b] = hosts
  const shard = ownedBy(a!)[0]!
  for (const id of ids) await cart(a!, id).add('tea')
  const { operator } = a!.running
  t.is(await operator.moveShard({ service: 'cart', shard, to: 'b' }, 'a is hot'), 'b')
  t.true(await operator.shardIsAt('cart', shard, 'b', 10_000))
  for (const id of ids) t.deepEqual(await cart(a!, id).items(), ['tea'])
  await system.clock.passes(120_000)
  t.true(ownedBy(b!).includes(shard))
  await allOwned(hosts)
})

test('all shards that are moved to one host stay there: what hashing and its share say does not count for them', async (t) => {
  const { system, hosts } = await offering(t, ['a', 'b'])
  const { operator } = hosts[1]!.running
  for (let shard = 0; shard < 8; shard++) await operator.moveShard({ service: 'cart', shard, to: 'a' })
  await until(() => ownedBy(hosts[0]!).length === 8, 'a has all')
  const terms = () => hosts[0]!.running.shards.map(({ term }) => term)
  const before = terms()
  await system.clock.passes(300_000)
  t.deepEqual(terms(), before)
  t.true(await operator.releaseShard('cart', 0))
  t.false(await operator.releaseShard('cart', 0))
  for (let shard = 1; shard < 8; shard++) t.true(await operator.releaseShard('cart', shard))
  await until(() => ownedBy(hosts[1]!).length >= 3, 'hashing decides again')
  await allOwned(hosts)
})

test('without a host a shard goes where hashing prefers of the others', async (t) => {
  const { hosts } = await offering(t, ['a', 'b', 'c'])
  const shard = ownedBy(hosts[0]!)[0]!
  const others = ['b', 'c'].map((hostId) => ({ hostId, capacity: 1 }))
  const { hostId } = ranked('cart', shard, others)[0]!
  t.is(await hosts[2]!.running.operator.moveShard({ service: 'cart', shard }), hostId)
  t.true(await hosts[2]!.running.operator.shardIsAt('cart', shard, hostId, 10_000))
})

test('when its host stops a placed shard goes elsewhere, and does not come back with the host', async (t) => {
  const { system, hosts } = await offering(t, ['a', 'b'])
  const [a, b] = hosts
  const { operator } = a!.running
  for (let shard = 0; shard < 8; shard++) await operator.moveShard({ service: 'cart', shard, to: 'b' })
  await until(() => ownedBy(b!).length === 8, 'b has all')
  await b!.stop()
  await until(() => ownedBy(a!).length === 8, 'a has all')
  const again = await system.host('b')
  await again.offer(CartV1)
  for (let second = 0; second < 120; second++) await system.clock.passes(1_000)
  await allOwned([a!, again])
  // A host of half the capacity keeps a fifth more than four.
  t.true(ownedBy(a!).length >= 5, 'hashing decides: this is another start of b')
})

test('a placed shard whose host is killed is taken over by another', async (t) => {
  const { hosts } = await offering(t, ['a', 'b', 'c'])
  const shard = ownedBy(hosts[0]!)[0]!
  await hosts[0]!.running.operator.moveShard({ service: 'cart', shard, to: 'b' })
  t.true(await hosts[0]!.running.operator.shardIsAt('cart', shard, 'b', 10_000))
  hosts[1]!.kill()
  await allOwned(hosts)
  t.true([...ownedBy(hosts[0]!), ...ownedBy(hosts[2]!)].includes(shard))
})

test('a host that is not there, a shard or a service that there is not are refused', async (t) => {
  const { hosts } = await offering(t, ['a', 'b'])
  const { operator } = hosts[0]!.running
  const refused = (move: Parameters<typeof operator.moveShard>[0], message: string) =>
    t.throwsAsync(operator.moveShard(move), { code: 'config.invalid', message })
  await refused({ service: 'cart', shard: 1, to: 'x' }, 'host x does not offer service cart: a, b do')
  await refused({ service: 'cart', shard: 8, to: 'a' }, 'service cart has no shard 8: it has shards 0 to 7')
  await refused({ service: 'carts', shard: 0, to: 'a' }, 'no host offers a sharded service carts')
  t.deepEqual(await hosts[0]!.running.operator.database.controls(), [])
})
