/**
 * Time that passes for one system in a Redis at once: the moments that are kept there are set back. Stamps
 * are not, for hosts have them too, and neither is when a node was forgotten.
 */
import type { Redis } from 'ioredis'
import { keysOf } from '../../transports/redis/redisKeys.js'

const setBack = `
local registrations, leases, transient, dead, head = unpack(KEYS)
local ms = tonumber(ARGV[1])
local function earlier(text)
  return string.format('%.0f', math.max(0, tonumber(text) - ms))
end
for _, key in ipairs({ leases, transient }) do
  for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    if not string.find(member, '/', 1, true) then redis.call('ZINCRBY', key, -ms, member) end
  end
end
local fields = redis.call('HGETALL', registrations)
for i = 1, #fields, 2 do
  local field, text = fields[i], fields[i + 1]
  if field == '/attendance' then
    local before, heardMs, between, untilMs = string.match(text, '^(%S+ %S+ )(%d+)( %d+ %S+ )(%d+)$')
    redis.call('HSET', registrations, field, before .. earlier(heardMs) .. between .. earlier(untilMs))
  elseif field == '/servers' then
    local servers = cjson.decode(text)
    for _, server in pairs(servers) do server[1] = server[1] - ms end
    redis.call('HSET', registrations, field, cjson.encode(servers))
  elseif string.sub(field, 1, 6) == 'start/' then
    local session, startedMs, hostId, rest = string.match(text, '^([^/]+/)(%d+)(/[^/]*)(.*)$')
    local before, untilMs = string.match(rest, '^(.*/)(%d+)$')
    redis.call('HSET', registrations, field, session .. earlier(startedMs) .. hostId .. (before and before .. earlier(untilMs) or ''))
  end
end
local ofHead = redis.call('HGETALL', head)
for i = 1, #ofHead, 2 do
  local digest = string.match(ofHead[i], '^staged/(.+)$')
  if digest then
    local untilMs, size = string.match(ofHead[i + 1], '^(%d+)( %d+)$')
    redis.call('HSET', head, ofHead[i], earlier(untilMs) .. size)
    local bundle = string.gsub(head, 'head$', 'bundle:') .. digest
    local leftMs = redis.call('PTTL', bundle) - ms
    if leftMs > 0 then redis.call('PEXPIRE', bundle, leftMs) else redis.call('DEL', bundle) end
  end
end
local sinceMs = redis.call('HGET', dead, 'sinceMs')
if sinceMs then redis.call('HSET', dead, 'sinceMs', earlier(sinceMs)) end`

export async function ageSystemInRedis(client: Redis, system: string, ms: number): Promise<void> {
  const { nodes, dead, head } = keysOf(system)
  const [registrations, , , leases, transient] = nodes
  await client.eval(setBack, 5, registrations, leases, transient, dead, head, ms)
}
