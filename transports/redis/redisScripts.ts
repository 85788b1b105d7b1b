/**
 * The decisions that must be atomic, as Lua. Each script gets every key it touches in KEYS (Redis Cluster asks for it).
 *
 * R1. A node id is registered with at most one directory.
 * R2. Never more slots of a service are given out than its limit allows, and only a release, `forget`, or the node's registration for
 *     another service frees one.
 * R3. Leases are counted by the Redis server's clock alone, so that the hosts' clocks don't matter. So is the moment of a death.
 * R4. Death moves forward only, and past no version that a registered node may still run; of a row that can't be read, nobody knows (C8).
 * R5. The name of a table is listed exactly as long as the table has entries.
 */
import { directivesKeptMax } from '../../core/directive.js'
import { clientService } from '../../core/ports/upgradeDatabase.js'
import { heldByMax, lapsedKeptMs } from '../udbFactory.js'

const nodeKeys = 6

/** `unpack` fails beyond some thousand values, and a command with more than these would block others for longer. */
const idsPerCommand = 1000

const nodeScript = (body: string, moreKeys = 0) => ({
  numberOfKeys: nodeKeys + moreKeys,
  lua: `
local registrations, rows, members, leases, transient, slots = unpack(KEYS)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function split(place)
  local slash = string.find(place, '/', 1, true)
  return string.sub(place, 1, slash - 1), string.sub(place, slash + 1)
end

local function renew(id, place, leaseMs)
  local service, directory = split(place)
  redis.call('ZADD', leases, now + leaseMs, id)
  if directory == '' then
    redis.call('ZADD', transient, now + leaseMs, id)
    redis.call('ZADD', members, 0, service .. '/' .. id)
  end
end

-- Nodes without a directory count as registered no longer than their lease.
local function sweep()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', transient, '-inf', now)) do
    local place = redis.call('HGET', registrations, id)
    if place then redis.call('ZREM', members, (split(place)) .. '/' .. id) end
    redis.call('ZREM', transient, id)
  end
end

-- That of core/ports/upgradeDatabase.ts; of a row that can't be read, nobody knows.
local function oldestPossible(text)
  local isRead, row = pcall(cjson.decode, text or 'null')
  if not isRead or type(row) ~= 'table' or type(row.version) ~= 'number' then return -1 end
  if row.phase == 'recovering' then return row.version - 1 end
  return row.version
end

-- All members that begin with "<service>/": '0' is the character after '/', and no service has a '/' in its name.
local function bounds(service)
  if service == '' then return '-', '+' end
  return '[' .. service .. '/', '(' .. service .. '0'
end
${body}`,
})

export const scripts = {
  theseusInstall: {
    // The last keys are those of the tables that get entries: one for each entry.
    lua: `
local head, manifests, signatures, tables = unpack(KEYS)
local expectedVersion, expectedDigest, version, digest, manifest, signature = unpack(ARGV)
if (redis.call('HGET', head, 'version') or '0') ~= expectedVersion then return 0 end
if (redis.call('HGET', head, 'digest') or '') ~= expectedDigest then return 0 end
redis.call('HSET', manifests, version, manifest)
if signature ~= '' then redis.call('HSET', signatures, version, signature) end
for i = 5, #KEYS do
  local name, key, value = unpack(ARGV, 7 + (i - 5) * 3, 9 + (i - 5) * 3)
  redis.call('HSET', KEYS[i], key, value)
  redis.call('SADD', tables, name)
end
redis.call('HSET', head, 'version', version, 'digest', digest)
return 1`,
  },

  /** Answers the directory that the node is registered with already, or an empty string. */
  theseusRegister: nodeScript(`
local id, service, directory, row, leaseMs = unpack(ARGV)
local place = service .. '/' .. directory
local found = redis.call('HGET', registrations, id)
if found then
  local foundService, foundDirectory = split(found)
  if foundDirectory ~= '' and foundDirectory ~= directory then return foundDirectory end
  if foundService ~= service then
    redis.call('ZREM', members, foundService .. '/' .. id)
    redis.call('ZREM', slots, foundService .. '/' .. id)
  end
  redis.call('ZREM', transient, id)
end
redis.call('HSET', registrations, id, place)
redis.call('ZADD', members, 0, service .. '/' .. id)
redis.call('HSET', rows, id, row)
renew(id, place, leaseMs)
return ''`),

  /** A report from another place than the registered one comes from a node that was forgotten and began anew elsewhere. */
  theseusReport: nodeScript(`
for i = 2, #ARGV, 3 do
  local id, place, row = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call('HGET', registrations, id) == place then
    redis.call('HSET', rows, id, row)
    renew(id, place, ARGV[1])
  end
end`),

  theseusRenew: nodeScript(`
for i = 2, #ARGV do
  local place = redis.call('HGET', registrations, ARGV[i])
  if place then renew(ARGV[i], place, ARGV[1]) end
end`),

  /** Looks through all slots: a node that is registered no more may still hold one. */
  theseusForget: nodeScript(
    `
local id = ARGV[1]
redis.call('HDEL', KEYS[7], 'hold/' .. id, 'now/' .. id)
local place = redis.call('HGET', registrations, id)
if place then redis.call('ZREM', members, (split(place)) .. '/' .. id) end
redis.call('HDEL', registrations, id)
redis.call('HDEL', rows, id)
redis.call('ZREM', leases, id)
redis.call('ZREM', transient, id)
for _, slot in ipairs(redis.call('ZRANGE', slots, 0, -1)) do
  local _, holder = split(slot)
  if holder == id then redis.call('ZREM', slots, slot) end
end`,
    1,
  ),

  /** Answers rows, each followed by 1 for a lease that runs and 0 for one that has run out. */
  theseusNodes: nodeScript(`
sweep()
for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now - ${lapsedKeptMs})) do
  local place = redis.call('HGET', registrations, id)
  if place == false or select(2, split(place)) == '' then
    redis.call('HDEL', registrations, id)
    redis.call('HDEL', rows, id)
    redis.call('ZREM', leases, id)
  end
end

local from, to = bounds(ARGV[1])
local found = redis.call('ZRANGEBYLEX', members, from, to)
local answer = {}
for first = 1, #found, ${idsPerCommand} do
  local ids = {}
  for i = first, math.min(first + ${idsPerCommand} - 1, #found) do
    local _, id = split(found[i])
    ids[#ids + 1] = id
  end
  local texts = redis.call('HMGET', rows, unpack(ids))
  local expiries = redis.call('ZMSCORE', leases, unpack(ids))
  for i = 1, #ids do
    if texts[i] then
      answer[#answer + 1] = texts[i]
      answer[#answer + 1] = (expiries[i] and tonumber(expiries[i]) > now) and 1 or 0
    end
  end
end
return answer`),

  /** Answers 1, or 0 followed by the holders, or 2 followed by the control that holds the node back (`holding` in core/control.ts). */
  theseusClaim: nodeScript(
    `
local controls = KEYS[7]
local service, id, version, isUndo, count, percent = unpack(ARGV)
local hold = redis.call('HGET', controls, 'hold/' .. id)
if hold then return { 2, hold } end
if isUndo == '0' then
  local pause = redis.call('HGET', controls, 'pause/' .. version)
  local now = redis.call('HGET', controls, 'now/' .. id)
  local isRead, told = pcall(cjson.decode, now or 'null')
  local isToldToGo = isRead and type(told) == 'table' and told.version == tonumber(version)
  if pause and not isToldToGo then return { 2, pause } end
end
local mine = service .. '/' .. id
if redis.call('ZSCORE', slots, mine) then return { 1 } end

local from, to = bounds(service)
local allowed = tonumber(count)
if allowed < 0 then allowed = math.huge end
if tonumber(percent) >= 0 then
  sweep()
  local share = math.max(1, math.floor(redis.call('ZLEXCOUNT', members, from, to) * tonumber(percent) / 100))
  allowed = math.min(allowed, share)
end
if redis.call('ZLEXCOUNT', slots, from, to) < allowed then
  redis.call('ZADD', slots, 0, mine)
  return { 1 }
end

local answer = { 0 }
for _, slot in ipairs(redis.call('ZRANGEBYLEX', slots, from, to, 'LIMIT', 0, ${heldByMax})) do
  local _, holder = split(slot)
  answer[#answer + 1] = holder
end
return answer`,
    1,
  ),

  theseusDirective: {
    numberOfKeys: 2,
    lua: `
local directives, count = unpack(KEYS)
if (tonumber(redis.call('GET', count) or '0') or -2) + 1 ~= tonumber(ARGV[1]) then return 0 end
redis.call('SET', count, ARGV[1])
redis.call('RPUSH', directives, ARGV[2])
redis.call('LTRIM', directives, -${directivesKeptMax}, -1)
return 1`,
  },

  theseusSetInTable: {
    numberOfKeys: 2,
    lua: `
local tables, entries = unpack(KEYS)
local name, key, value = unpack(ARGV)
redis.call('HSET', entries, key, value)
redis.call('SADD', tables, name)`,
  },

  /** Answers how many entries were removed. */
  theseusRemoveFromTable: {
    numberOfKeys: 2,
    lua: `
local tables, entries = unpack(KEYS)
local name, key = unpack(ARGV)
local removed = redis.call('HDEL', entries, key)
if redis.call('EXISTS', entries) == 0 then redis.call('SREM', tables, name) end
return removed`,
  },

  /** Answers `below`, `sinceMs`, `before`, and the time. */
  theseusDead: {
    numberOfKeys: 1,
    lua: `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = redis.call('HMGET', KEYS[1], 'below', 'sinceMs', 'before')
answer[4] = string.format('%.0f', now)
return answer`,
  },

  /** Answers the death as it is afterwards, as `theseusDead` does. */
  theseusDeclareDead: nodeScript(
    `
local dead = KEYS[7]
local below, delayMs = tonumber(ARGV[1]), tonumber(ARGV[2])

local function asItIs()
  local answer = redis.call('HMGET', dead, 'below', 'sinceMs', 'before')
  answer[4] = string.format('%.0f', now)
  return answer
end

local before = redis.call('HGET', dead, 'below') or '0'
local sinceMs = redis.call('HGET', dead, 'sinceMs') or '0'
-- What can't be read is not written over: the reader is told.
if tonumber(before) == nil or below <= tonumber(before) or tonumber(sinceMs) == nil or now < tonumber(sinceMs) then return asItIs() end
sweep()
local found = redis.call('ZRANGE', members, 0, -1)
for first = 1, #found, ${idsPerCommand} do
  local ids = {}
  for i = first, math.min(first + ${idsPerCommand} - 1, #found) do
    local _, id = split(found[i])
    ids[#ids + 1] = id
  end
  local texts = redis.call('HMGET', rows, unpack(ids))
  for i = 1, #ids do
    if oldestPossible(texts[i]) < below then return asItIs() end
  end
end
redis.call('HSET', dead, 'below', ARGV[1], 'sinceMs', string.format('%.0f', now + delayMs), 'before', before)
return asItIs()`,
    1,
  ),

  /** Answers what is final afterwards. */
  theseusFinalize: nodeScript(
    `
local head, final = KEYS[7], KEYS[8]
local version = tonumber(ARGV[1])
local before = redis.call('GET', final) or '0'
local newest = tonumber(redis.call('HGET', head, 'version') or '0')
if tonumber(before) == nil or version <= tonumber(before) or newest == nil or version > newest then return before end
sweep()
local found = redis.call('ZRANGE', members, 0, -1)
for first = 1, #found, ${idsPerCommand} do
  local ids = {}
  for i = first, math.min(first + ${idsPerCommand} - 1, #found) do
    local service, id = split(found[i])
    if service ~= '${clientService}' then ids[#ids + 1] = id end
  end
  if #ids > 0 then
    for _, text in ipairs(redis.call('HMGET', rows, unpack(ids))) do
      if oldestPossible(text) < version then return before end
    end
  end
end
redis.call('SET', final, ARGV[1])
return ARGV[1]`,
    2,
  ),
} as const

export type ScriptName = keyof typeof scripts
