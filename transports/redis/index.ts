export { redis } from './redisDatabase.js'
export { probeRedis, type RedisProbe } from './redisProbe.js'
export {
  type RedisAddress,
  type RedisClusterSettings,
  type RedisSentinelSettings,
  type RedisServerSettings,
  type RedisSettings,
  redisUrlAddress,
} from './redisSettings.js'
export { redisSystems } from './redisSystems.js'
