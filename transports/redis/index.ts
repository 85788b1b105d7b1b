export type { RedisSettings } from './redisConnection.js'
export { redis } from './redisDatabase.js'
export { probeRedis, type RedisProbe } from './redisProbe.js'
