/** Hosts that offer the sharded service of the tests, and the shards that they have. */
import type { ExecutionContext } from 'ava'
import { until } from '../support/eventually.js'
import { type TestHost, TestSystem } from '../support/testSystem.js'
import { CartV1 } from './cartClasses.js'

export const ids = Array.from({ length: 24 }, (_, i) => `cart${i}`)
export const cart = (host: TestHost, id: string) => host.ref(CartV1, id, { deadline: '60s' })
export const ownedBy = (host: TestHost) => host.running.shards.map(({ shard }) => shard)
export const allOwned = (hosts: readonly TestHost[]) =>
  until(() => {
    const owned = hosts.filter(({ isDead }) => !isDead).flatMap(ownedBy)
    return owned.length === 8 && new Set(owned).size === 8
  }, `every shard has one owner`)

export async function offering(
  t: ExecutionContext,
  names: readonly string[],
  settings = {},
): Promise<{ system: TestSystem; hosts: TestHost[] }> {
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
