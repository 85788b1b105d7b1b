/** The upgrade-specific tables in Redis: a hash for each, and a set of the names of those with entries. */
import { checkTable } from '../../core/model/tables.js'
import type { RedisConnection } from './redisConnection.js'
import type { RedisKeys } from './redisKeys.js'

export class RedisTables {
  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Pick<RedisKeys, 'tables' | 'table'>,
  ) {}

  async table(name: string): Promise<ReadonlyMap<string, string>> {
    checkTable(name)
    const entries = await this.redis.call((client) => client.hgetall(this.keys.table(name)))
    return new Map(Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  async setInTable(name: string, key: string, value: string): Promise<void> {
    checkTable(name, key, value)
    const { tables, table } = this.keys
    await this.redis.run('theseusSetInTable', [tables, table(name)], name, key, value)
  }

  async removeFromTable(name: string, key: string): Promise<boolean> {
    checkTable(name, key)
    const { tables, table } = this.keys
    return (await this.redis.run('theseusRemoveFromTable', [tables, table(name)], name, key)) === 1
  }

  async tables(): Promise<readonly string[]> {
    return (await this.redis.call((client) => client.smembers(this.keys.tables))).sort()
  }
}
