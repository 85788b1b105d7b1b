/** The systems that a Redis knows, for somebody who has mistyped the name of one. It only reads. */
import { RedisConnection } from './redisConnection.js'
import type { RedisSettings } from './redisSettings.js'

/** Rounds of a scan, and keys of each. */
const roundsMax = 20
const keysPerRound = 1_000
const systemsMax = 100

/**
 * The names, in no order. None where the login may not look for keys, and not all where there are many keys,
 * or several servers.
 */
export async function redisSystems(settings: string | RedisSettings): Promise<readonly string[]> {
  const connection = await RedisConnection.open(settings, 'systems', 'systems')
  const found = new Set<string>()
  try {
    let cursor = '0'
    for (let round = 0; round < roundsMax && found.size < systemsMax; round++) {
      const [next, keys] = await connection.call((client) => client.scan(cursor, 'MATCH', 'theseus:{*}:*', 'COUNT', keysPerRound))
      for (const key of keys) found.add(/^theseus:\{([^}]*)\}/.exec(key)?.[1] ?? '')
      cursor = next
      if (cursor === '0') break
    }
  } catch {
    // It helps nobody to hear why there is no advice.
  } finally {
    await connection.close()
  }
  found.delete('')
  return [...found].slice(0, systemsMax)
}
