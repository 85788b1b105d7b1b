/**
 * The scripts about directives, as bodies of node scripts (redisScripts.ts). A directive is counted and
 * carried out by one script, so nothing is counted that was not done (D1 of core/control/directive.ts).
 *
 * The log is known by an id (D2). It gets another one when Redis is another process than the
 * one that opened it, and in another epoch (core/control/standing.ts): nobody can tell what a
 * restart, a fail-over or a loss has taken.
 */
import { directivesKeptMax } from '../../core/control/directive.js'

const openLog = `
-- Answers the log's id, since when it has been one, and how many directives there have been: -2 if that can't be read.
local function openLog(log, count, seenId, seenCount)
  local counted = tonumber(redis.call('GET', count) or '0') or -2
  local id, run, epoch, since = unpack(redis.call('HMGET', log, 'id', 'run', 'epoch', 'since'))
  local here = runOfServer()
  local attendance = readAttendance()
  local epochNow = attendance and attendance.epoch or ''
  local isLost = seenId == '*'
  if not id then
    isLost = isLost or seenId ~= ''
  else
    -- An epoch that is the first one is no loss.
    isLost = isLost or run ~= here or (epoch ~= '' and epoch ~= epochNow) or (id == seenId and counted < tonumber(seenCount))
  end
  if id and not isLost then
    if epoch ~= epochNow then redis.call('HSET', log, 'epoch', epochNow) end
    return id, tonumber(since) or now, counted
  end
  id = string.sub(here, 1, 8) .. '-' .. time[1] .. '-' .. time[2]
  since = isLost and now or 0
  redis.call('HSET', log, 'id', id, 'run', here, 'epoch', epochNow, 'since', whole(since))
  return id, since, counted
end`

/** Answers the log's id and its count. */
export const directiveLogBody = `${openLog}
local id, _, counted = openLog(KEYS[8], KEYS[7], ARGV[1], ARGV[2])
return { id, counted }`

/** A Lua function that answers what is final afterwards, as a string. */
export const finalizing = `
local function finalize(head, final, asked)
  local version = tonumber(asked)
  local before = redis.call('GET', final) or '0'
  local newest = tonumber(redis.call('HGET', head, 'version') or '0')
  if tonumber(before) == nil or version <= tonumber(before) or newest == nil or version > newest then return before end
  if isLossy() or mayRunOlder(version, math.huge) then return before end
  redis.call('SET', final, asked)
  return asked
end`

/** A Lua function that answers whether the node was registered. */
export const forgetting = `
local function forget(id, controls)
  redis.pcall('HDEL', controls, 'hold/' .. id, 'now/' .. id)
  local place = redis.call('HGET', registrations, id)
  if place then redis.call('ZREM', members, (split(place)) .. '/' .. id) end
  rememberForgotten(id, readStart(id))
  redis.call('HDEL', registrations, id, 'start/' .. id)
  redis.call('HDEL', rows, id)
  redis.call('ZREM', leases, id)
  redis.call('ZREM', transient, id)
  for _, slot in ipairs(redis.call('ZRANGE', slots, 0, -1)) do
    local _, holder = split(slot)
    if holder == id then redis.call('ZREM', slots, slot) end
  end
  return place ~= false
end`

/**
 * Answers 1 and the result in JSON; or 0, why not, the log's id and count, and the result of the very same
 * document before, if there is one.
 */
export const directBody = `${openLog}
${finalizing}
${forgetting}
local controls, tables, entries, head, final, directives, count, log = unpack(KEYS, 7)
local number, digest, namedHead, namedLog, createdAt, document, signature, order, a, b, c = unpack(ARGV)
number = tonumber(number)
local id, since, counted = openLog(log, count, '', '0')

local function no(why)
  local answer = { 0, why, id, counted }
  if number <= counted then
    local isRead, text = pcall(redis.call, 'LINDEX', directives, number - counted - 1)
    local isJson, kept = pcall(cjson.decode, isRead and text or 'null')
    if isJson and type(kept) == 'table' and kept[1] == document and kept[3] ~= nil then answer[5] = cjson.encode(kept[3]) end
  end
  return answer
end

if (redis.call('HGET', head, 'digest') or '') ~= digest then return no('head') end
if namedLog ~= '' then
  if namedHead ~= digest then return no('head') end
  if namedLog ~= id then return no('log') end
elseif tonumber(createdAt) < since then return no('older') end
if number ~= counted + 1 then return no('number') end

local result
if order == 'set' then
  redis.call('HSET', controls, a, b)
  result = 'true'
elseif order == 'remove' then
  result = redis.call('HDEL', controls, a) == 1 and 'true' or 'false'
elseif order == 'setInTable' then
  redis.call('HSET', entries, b, c)
  redis.call('SADD', tables, a)
  result = 'true'
elseif order == 'removeFromTable' then
  result = redis.call('HDEL', entries, b) == 1 and 'true' or 'false'
  if redis.call('EXISTS', entries) == 0 then redis.call('SREM', tables, a) end
elseif order == 'finalize' then
  result = finalize(head, final, a)
elseif order == 'forget' then
  result = forget(a, controls) and 'true' or 'false'
elseif order == 'note' then
  result = 'true'
end
redis.call('SET', count, ARGV[1])
redis.call('RPUSH', directives, '["' .. document .. '",' .. signature .. ',' .. result .. ']')
redis.call('LTRIM', directives, -${directivesKeptMax}, -1)
return { 1, result }`
