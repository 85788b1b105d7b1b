/** A database in Redis as the contracts take it: a client of the tests reaches behind the adapter. */
import type { Redis } from 'ioredis'
import { ageSystemInRedis } from '../support/redisTime.js'
import type { DatabaseUnderTest } from './databaseContract.js'

/** The systems that one test opens. */
export function redisUnderTest(at: (system: string) => Redis, open: DatabaseUnderTest['open']): DatabaseUnderTest {
  const systems = new Set<string>()
  const keys = (system: string) => at(system).keys(`theseus:{${system}}:*`)
  const empty = async () => {
    for (const system of systems) {
      const names = await keys(system)
      if (names.length > 0) await at(system).del(names)
    }
  }
  return {
    open: (system) => {
      systems.add(system)
      return open(system)
    },
    elapse: async (ms) => {
      for (const system of systems) await ageSystemInRedis(at(system), system, ms)
    },
    empty,
    backup: async () => {
      const copies: [client: Redis, name: string, value: Buffer][] = []
      for (const system of systems) {
        const client = at(system)
        for (const name of await keys(system)) copies.push([client, name, await client.dumpBuffer(name)])
      }
      return async () => {
        await empty()
        await Promise.all(copies.map(([client, name, value]) => client.restore(name, 0, value)))
      }
    },
  }
}
