/** A host takes shards of a service once it has all versions that their nodes may need, and not before. */
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import { shardOf } from '../../core/model/shard.js'
import { memoryRepository } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { type TestHost, TestSystem } from '../support/testSystem.js'
import { CartV1, CartV2, toV2 } from './cartClasses.js'
import { allOwned, cart, ids, offering, ownedBy } from './offeredCarts.js'

const waits = (host: TestHost) => host.running.status().offers?.[0]?.waits
const warnings = (host: TestHost) => host.events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
const atV2 = (host: TestHost) =>
  until(async () => {
    const rows = await host.running.operator.database.nodes('cart')
    return rows.length === ids.length && rows.every(({ version, phase }) => version === 1 && phase === 'current')
  }, 'all nodes are at version 1')

/** A repository in which the upgrade can't be loaded until `mend` is called. */
function brokenRepository(system: TestSystem, code: 'upgrade.fetch' | 'upgrade.invalid') {
  let isBroken = true
  const repository = {
    ...memoryRepository(),
    load: (digest: string, bundle: Uint8Array) =>
      isBroken ? Promise.reject(new Fault(code, 'not to be had')) : system.repository.load(digest, bundle),
  }
  const mend = () => {
    isBroken = false
  }
  return { repository, mend }
}

test('a host that can’t have the bundle of a living version takes no shards, says why, and takes them when it can', async (t) => {
  const { system, hosts } = await offering(t, ['a'])
  const [a] = hosts
  for (const id of ids) await cart(a!, id).add('tea')
  await system.publish(toV2())
  await atV2(a!)
  const { repository, mend } = brokenRepository(system, 'upgrade.fetch')
  const b = await system.host('b', { repository })
  await b.offer(CartV1)
  await until(() => waits(b)?.includes('upgrade.fetch') === true, 'it says what it waits for')
  await system.clock.passes(20_000)
  t.deepEqual(ownedBy(b), [])
  t.true(warnings(b).some((text) => text.startsWith("this host takes no shards of service cart: version 1 can't be run here")))
  const told = await a!.running.operator.shardHosts()
  t.like(told.find(({ hostId }) => hostId === 'b')!.services[0], { capacity: 0, owned: [] })
  await t.throwsAsync(a!.running.operator.moveShard({ service: 'cart', shard: 0, to: 'b' }), {
    code: 'config.invalid',
    message: /host b takes no shards of service cart now: version 1 can't be run here: upgrade.fetch/,
  })
  mend()
  await until(() => ownedBy(b).length > 0, 'it takes its share')
  t.is(waits(b), null)
  await allOwned([a!, b])
  for (const id of ids) t.deepEqual(await cart(b, id).items(), ['tea'])
})

test('a version that no node has reached is no obstacle where it is rejected; one that others have reached is', async (t) => {
  const { system, hosts } = await offering(t, ['a'])
  const [a] = hosts
  for (const id of ids) await cart(a!, id).add('tea')
  const { manifest, bundle } = system.build(toV2())
  const nobodys = memoryRepository()
  const c = await system.host('c', { repository: nobodys })
  await c.offer(CartV1)
  await until(() => ownedBy(c).length > 0, 'it takes its share')
  await system.desk.publish({ manifest, bundle })
  const { repository, mend } = brokenRepository(system, 'upgrade.invalid')
  const isReached = async () => (await a!.running.operator.database.nodes('cart')).some(({ version }) => version === 1)
  await until(isReached, 'nodes of a are at version 1')
  const b = await system.host('b', { repository })
  await b.offer(CartV1)
  await until(() => waits(b)?.includes('upgrade.invalid') === true, 'b says what it waits for')
  await until(() => waits(c)?.includes('upgrade.invalid') === true, 'c takes no more')
  // It keeps those that it has: their nodes serve the version before.
  const before = ownedBy(c)
  a!.kill()
  await system.clock.passes(60_000)
  t.deepEqual(ownedBy(c), before)
  t.deepEqual(ownedBy(b), [])
  // It could be verified elsewhere, so it is tried here again and again.
  mend()
  await until(() => waits(b) === null, 'b takes shards')
})

test('a node is woken at a version that its new host has rejected before it came', async (t) => {
  const { system, hosts } = await offering(t, ['a'])
  const [a] = hosts
  for (const id of ids) await cart(a!, id).add('tea')
  const { repository, mend } = brokenRepository(system, 'upgrade.invalid')
  const b = await system.host('b', { repository })
  await b.offer(CartV1)
  await until(() => ownedBy(b).length >= 3, 'b has its part')
  await allOwned([a!, b])
  const [id] = ids.filter((each) => ownedBy(a!).includes(shardOf(each, 8)))
  const { operator } = system.desk.running
  await operator.pause(1, 'b is to look before any node is there')
  await system.publish(toV2())
  const rejects = async () => (await system.database.nodes()).some(({ phase }) => phase === 'rejected')
  await until(rejects, 'nodes of b reject it')
  // It looks seldom by now.
  await system.clock.passes(40_000)
  await operator.resume(1)
  const isThere = async () => (await system.database.nodes()).some((row) => row.nodeId === id && row.version === 1)
  await until(isThere, 'the node is at version 1')
  mend()
  a!.kill()
  const began = system.clock.now()
  t.deepEqual(await cart(system.desk, id!).items(), ['tea'])
  t.true(system.clock.now() - began < 16_000, 'as soon as its shard is there, and not when the host has looked again')
})

test('a version that all hosts reject keeps none from taking shards', async (t) => {
  const { system, hosts } = await offering(t, ['a'])
  const [a] = hosts
  for (const id of ids) await cart(a!, id).add('tea')
  const { manifest, bundle } = system.build(toV2())
  const rejecting = { ...memoryRepository(), load: () => Promise.reject(new Fault('upgrade.invalid', 'no')) }
  const b = await system.host('b', { repository: rejecting })
  await a!.stop()
  await system.desk.publish({ manifest, bundle })
  await b.offer(CartV1)
  await allOwned([b])
  t.is(waits(b), null)
  for (const id of ids) t.deepEqual(await cart(b, id).items(), ['tea'])
})

test('while no upgrade server answers the upgrade database tells whether the history is known', async (t) => {
  const system = await TestSystem.start(t)
  const a = await system.host('a')
  await system.stopServer()
  await a.offer(CartV1)
  await allOwned([a])
  a.changeDatabase({ head: () => Promise.reject(new Fault('unavailable.disconnected', 'away')) })
  const b = await system.host('b')
  b.changeDatabase({ head: () => Promise.reject(new Fault('unavailable.disconnected', 'away')) })
  await b.offer(CartV1)
  await until(() => waits(b) === 'neither an upgrade server nor the upgrade database answers', 'it waits')
  t.is(waits(a), null)
  b.changeDatabase({ head: async () => ({ version: 0, digest: null }) })
  await until(() => waits(b) === null, 'it goes on')
  await allOwned([a, b])
})

test('a host that knows the newest class alone has the others from bundles', async (t) => {
  const { system, hosts } = await offering(t, ['a'])
  const [a] = hosts
  for (const id of ids) await cart(a!, id).add('tea')
  await system.publish(toV2())
  await atV2(a!)
  await a!.stop()
  const b = await system.host('b')
  await b.offer(CartV2)
  await allOwned([b])
  for (const id of ids) t.deepEqual(await cart(b, id).items(), ['tea'])
})
