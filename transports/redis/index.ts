export type { RedisSettings } from './redisConnection.js'
export { redis } from './redisDatabase.js'
