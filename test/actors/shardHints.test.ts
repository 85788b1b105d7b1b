/** Hosts tell each other of shards. One who makes such hints up stops no service for long. */
import test, { type ExecutionContext } from 'ava'
import { encodeOffer } from '../../core/model/shardOffer.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { memoryTransport } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { type TestHost, TestSystem } from '../support/testSystem.js'
import { CartV1 } from './cartClasses.js'

const ownedBy = (host: TestHost) => host.running.shards.map(({ shard }) => shard)
const terms = (host: TestHost) => host.running.shards.reduce((sum, { term }) => sum + term, 0)

async function offering(t: ExecutionContext, names: readonly string[]) {
  const system = await TestSystem.start(t)
  const hosts: TestHost[] = []
  for (const name of names) hosts.push(await system.host(name))
  for (const host of hosts) await host.offer(CartV1)
  await until(() => hosts.flatMap(ownedBy).length === 8, 'every shard has an owner')
  return { system, hosts }
}

/** Says for so many hosts, again and again, that they are there and have these shards. */
function forge(
  t: ExecutionContext,
  system: TestSystem,
  names: readonly string[],
  owned: readonly number[],
  followed: readonly number[] = [],
) {
  const transport = memoryTransport(system.broker, { name: 'stranger' } as never)
  let isOver = false
  t.teardown(() => {
    isOver = true
  })
  const tell = () => {
    if (isOver) return
    for (const hostId of names) {
      const told = { owned, positions: owned.map(() => 0), promised: [], followed, waits: null, troubles: [] }
      const services = [{ service: 'cart', shards: 8, capacity: 1_000, ...told }]
      const offer = encodeOffer({ hostId, start: hostId, isLeaving: false, asks: true, services })
      transport.publish(subjectsOf(system.name).offers, offer)
    }
    system.clock.after(400, tell)
  }
  tell()
}

test('one who says that it has all shards keeps none from being taken over', async (t) => {
  const { system, hosts } = await offering(t, ['a', 'b'])
  const [a, b] = hosts
  b!.kill()
  forge(t, system, ['nobody'], [0, 1, 2, 3, 4, 5, 6, 7])
  const began = system.clock.now()
  for (;;) {
    if (ownedBy(a!).length === 8) break
    if (system.clock.now() - began > 300_000) break
    await system.clock.passes(1_000)
  }
  t.is(ownedBy(a!).length, 8)
})

test('shards that nobody takes are not given away again and again', async (t) => {
  const { system, hosts } = await offering(t, ['a'])
  const [a] = hosts
  forge(t, system, ['nobody1', 'nobody2', 'nobody3'], [], [0, 1, 2, 3, 4, 5, 6, 7])
  await system.clock.passes(20_000)
  const before = terms(a!)
  await system.clock.passes(600_000)
  await until(() => ownedBy(a!).length === 8, 'all are back')
  t.true(before > 8, 'some were given away')
  t.true(terms(a!) - before <= 12, `${terms(a!)} terms, ${before} before`)
})

test('a host answers many who ask at once a few times', async (t) => {
  const { system } = await offering(t, ['a'])
  const transport = memoryTransport(system.broker, { name: 'stranger' } as never)
  let answers = 0
  transport.subscribe(subjectsOf(system.name).offers, () => answers++)
  const ask = encodeOffer({ hostId: 'x', start: 'x', isLeaving: true, asks: true, services: [] })
  for (let i = 0; i < 500; i++) transport.publish(subjectsOf(system.name).offers, ask)
  await system.clock.passes(200)
  t.true(answers >= 502 && answers < 520, `${answers}`)
})
