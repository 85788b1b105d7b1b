/** Sharded services whose owners go away at bad moments: upgrades, permits and calls come to their end. */
import test, { type ExecutionContext } from 'ava'
import { until } from '../support/eventually.js'
import { type TestHost, TestSystem } from '../support/testSystem.js'
import { CartV1, toV2 } from './cartClasses.js'

const ids = Array.from({ length: 24 }, (_, i) => `cart${i}`)
const few = ids.slice(0, 6)
const cart = (host: TestHost, id: string) => host.ref(CartV1, id, { deadline: '60s' })
const ownedBy = (host: TestHost) => host.running.shards.map(({ shard }) => shard)
const allOwned = (hosts: readonly TestHost[]) =>
  until(() => {
    const owned = hosts.filter(({ isDead }) => !isDead).flatMap(ownedBy)
    return owned.length === 8 && new Set(owned).size === 8
  }, 'every shard has one owner')

async function offering(t: ExecutionContext, names: readonly string[], settings = {}) {
  const system = await TestSystem.start(t, { sleepAfterMs: 5_000, ...settings })
  const hosts: TestHost[] = []
  for (const name of names) {
    const host = await system.host(name)
    hosts.push(host)
    await host.offer(CartV1)
  }
  await allOwned(hosts)
  return { system, hosts }
}

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
