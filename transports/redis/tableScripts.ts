/** The scripts about upgrade-specific tables (redisScripts.ts). */

export const tableScripts = {
  theseusSetInTable: {
    lua: `
local tables, entries = unpack(KEYS)
local name, key, value = unpack(ARGV)
redis.call('HSET', entries, key, value)
redis.call('SADD', tables, name)`,
  },

  /** Answers how many entries were removed. */
  theseusRemoveFromTable: {
    lua: `
local tables, entries = unpack(KEYS)
local name, key = unpack(ARGV)
local removed = redis.call('HDEL', entries, key)
if redis.call('EXISTS', entries) == 0 then redis.call('SREM', tables, name) end
return removed`,
  },
} as const
