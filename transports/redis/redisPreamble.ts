/**
 * The common part of the scripts about nodes, as Lua. How far the rows can be believed
 * (core/control/standing.ts) is kept in fields of `registrations`, and what has a time in members of
 * `leases`: no node's name has a slash in it. So no login needs to be given another key, and a Theseus of
 * before passes them over.
 */

import { stampKeptMs, unknownLeaseMs } from '../../core/control/standing.js'
import { clientService } from '../../core/model/nodeRow.js'
import { forgottenKeptMs } from '../udbFactory.js'

/**
 * `unpack` fails beyond some thousand values, and a command with more than these would block
 * others for longer.
 */
export const idsPerCommand = 1000

/** `theseusX` gets `nodes` of redisKeys.ts as its first keys. */
export const preamble = `
local registrations, rows, members, leases, transient, slots = unpack(KEYS)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function whole(number)
  return string.format('%.0f', number)
end

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

-- All members that begin with "<service>/": '0' is the character after '/', and no service has a '/' in its name.
local function bounds(service)
  if service == '' then return '-', '+' end
  return '[' .. service .. '/', '(' .. service .. '0'
end

-- The process that answers; '-' where the login may not ask.
local function runOfServer()
  local text = redis.pcall('INFO', 'server')
  return type(text) == 'string' and string.match(text, 'run_id:(%w+)') or '-'
end

local function readAttendance()
  local text = redis.call('HGET', registrations, '/attendance')
  local epoch, run, heardMs, leaseMs, doubt, untilMs = string.match(text or '', '^(%S+) (%S+) (%d+) (%d+) (%S+) (%d+)$')
  if not epoch then return nil end
  return { epoch = epoch, run = run, heardMs = tonumber(heardMs), leaseMs = tonumber(leaseMs), doubt = doubt, untilMs = tonumber(untilMs) }
end

local function isInForce(a)
  return a.doubt ~= '-' and now < a.untilMs
end

local function isSilent(a)
  return a.leaseMs > 0 and now - a.heardMs > a.leaseMs / 2
end

local function isOtherRun(a, run)
  return a.run ~= '-' and run ~= '-' and a.run ~= run
end

-- 'restarted', 'lost', 'silent', or '-'.
local function doubtNow(a)
  if not a then return '-' end
  if isOtherRun(a, runOfServer()) then return 'restarted' end
  if isInForce(a) then return a.doubt end
  return isSilent(a) and 'silent' or '-'
end

local function isLossy()
  local doubt = doubtNow(readAttendance())
  return doubt == 'restarted' or doubt == 'lost'
end

local function leaseOr(a)
  return a.leaseMs > 0 and a.leaseMs or ${unknownLeaseMs}
end

local function keepAttendance(a)
  local text = table.concat({ a.epoch, a.run, whole(a.heardMs), whole(a.leaseMs), a.doubt, whole(a.untilMs) }, ' ')
  redis.call('HSET', registrations, '/attendance', text)
end

local function doubted(a, doubt, epoch)
  a.doubt, a.epoch, a.untilMs = doubt, epoch, now + leaseOr(a)
end

-- Another one, also within the same millisecond.
local function nextEpoch(a, session)
  local epoch = whole(now) .. '-' .. session.id
  return a and a.epoch == epoch and epoch .. '+' or epoch
end

-- As \`visited\` in core/control/standing.ts. A session is its id, host, directory, age, stamp, the epoch in which it has told of all its nodes, and the
-- earlier starts that are over, each between spaces.
local function heard(session, leaseMs)
  if session.id == '' then return nil end
  local member = 'host/' .. session.id
  local known = tonumber(redis.call('ZMSCORE', leases, member)[1] or '0')
  local isWitness = session.stampMs > known and session.stampMs > now - ${stampKeptMs}
  local run = runOfServer()
  local a = readAttendance()
  local epoch = nextEpoch(a, session)
  if not a then
    a = { epoch = epoch, run = run, heardMs = now, leaseMs = leaseMs or 0, doubt = '-', untilMs = 0 }
    if isWitness or string.find(session.over, '%S') then doubted(a, 'lost', epoch) end
  else
    local isOther, isDoubted, wasSilent = isOtherRun(a, run), isInForce(a), isSilent(a)
    if run ~= '-' then a.run = run end
    a.heardMs, a.leaseMs = now, leaseMs or a.leaseMs
    if isOther then
      doubted(a, 'restarted', epoch)
    elseif isDoubted and a.doubt ~= 'silent' then
      if leaseMs and session.stampMs > 0 and session.epoch ~= a.epoch then a.untilMs = now + leaseOr(a) end
    elseif isWitness then
      doubted(a, 'lost', epoch)
    elseif wasSilent then
      doubted(a, 'silent', a.epoch)
    elseif not isDoubted then
      a.doubt, a.untilMs = '-', 0
    end
    -- A clock that was set back makes nothing longer.
    a.untilMs = math.min(a.untilMs, now + leaseOr(a))
  end
  keepAttendance(a)
  local stampMs = math.max(now, session.stampMs)
  redis.call('ZADD', leases, whole(stampMs), member)
  return a, stampMs
end

local function standing(a, stampMs)
  if not a then return {} end
  local doubt = doubtNow(a)
  return { a.epoch, stampMs or now, a.leaseMs, doubt, doubt == '-' and 0 or math.max(a.untilMs - now, 0) }
end

-- Nodes without a directory count as registered no longer than their lease, which does not run on probation.
local function sweep()
  if doubtNow(readAttendance()) ~= '-' then return end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', transient, '-inf', now)) do
    local place = redis.call('HGET', registrations, id)
    if place then redis.call('ZREM', members, (split(place)) .. '/' .. id) end
    redis.call('ZREM', transient, id)
  end
end

-- Which start of a host has registered a node, and the one before as long as it may still serve it:
-- "id/started/host" or "id/started/host/id/host/until".
local function readStart(id)
  local text = redis.call('HGET', registrations, 'start/' .. id)
  if not text then return nil end
  local session, startedMs, hostId, rest = string.match(text, '^([^/]+)/(%d+)/([^/]*)(.*)$')
  if not session then return nil end
  local before, beforeHost, untilMs = string.match(rest, '^/([^/]+)/([^/]*)/(%d+)$')
  return { session = session, startedMs = tonumber(startedMs), hostId = hostId, before = before, beforeHost = beforeHost, untilMs = tonumber(untilMs or '0') }
end

local function keepStart(id, start)
  local text = start.session .. '/' .. whole(start.startedMs) .. '/' .. start.hostId
  if start.before then text = text .. '/' .. start.before .. '/' .. start.beforeHost .. '/' .. whole(start.untilMs) end
  redis.call('HSET', registrations, 'start/' .. id, text)
end

local function sessionFrom(first)
  return {
    id = ARGV[first], hostId = ARGV[first + 1], directory = ARGV[first + 2], ageMs = tonumber(ARGV[first + 3]),
    stampMs = tonumber(ARGV[first + 4]), epoch = ARGV[first + 5], over = ARGV[first + 6],
  }
end

local function isOver(session, start)
  return string.find(session.over, ' ' .. start.session .. ' ', 1, true) ~= nil
end

local function isNewer(start, session)
  return start ~= nil and start.session ~= session.id and start.startedMs >= now - session.ageMs
end

-- Whether a newer start has the node, as far as is known: nothing is known of those who don't say who they are.
local function isOfNewer(id, session)
  local start = session.id ~= '' and readStart(id) or nil
  return isNewer(start, session) and not isOver(session, start)
end

-- When the node was forgotten; nil if it was not, or longer ago than that is kept.
local function forgottenMs(id)
  local keptUntilMs = tonumber(redis.call('ZMSCORE', leases, 'forgotten/' .. id)[1] or '0')
  return keptUntilMs > now and keptUntilMs - ${forgottenKeptMs} or nil
end

-- A mark that is older than the registration has come back with an older copy of the database.
local function isForgotten(id, registeredMs)
  local sinceMs = forgottenMs(id)
  return sinceMs ~= nil and sinceMs >= registeredMs
end

-- Not before the newest stamp of the start that had registered it, also where the clock was set back.
local function rememberForgotten(id, start)
  local stampMs = start and tonumber(redis.call('ZMSCORE', leases, 'host/' .. start.session)[1] or '0') or 0
  redis.call('ZADD', leases, whole(math.max(now, stampMs) + ${forgottenKeptMs}), 'forgotten/' .. id)
end

-- Answers a stamp that is newer than the mark.
local function unforget(id, session, stampMs)
  local sinceMs = forgottenMs(id)
  redis.call('ZREM', leases, 'forgotten/' .. id)
  if not stampMs or not sinceMs or stampMs > sinceMs then return stampMs end
  redis.call('ZADD', leases, whole(sinceMs + 1), 'host/' .. session.id)
  return sinceMs + 1
end

-- A report or renewal of each node by a session, the second of what is listed of it is when it was registered: stores what \`store\` does with those that are its own, and says which are not.
local function each(session, list, step, store)
  local unknown, forgotten, elsewhere = {}, {}, {}
  for i = list, #ARGV, step do
    local id = ARGV[i]
    local place = redis.call('HGET', registrations, id)
    if not place then
      local to = isForgotten(id, tonumber(ARGV[i + 1])) and forgotten or unknown
      to[#to + 1] = id
    else
      local _, directory = split(place)
      local start = session.id ~= '' and directory ~= '' and readStart(id) or nil
      local startedMs = now - session.ageMs
      local isOlder = isNewer(start, session)
      if isOlder and isOver(session, start) and directory == session.directory then
        -- An older copy has an earlier start, which is newer by the clocks alone: with its registration this one is.
        unknown[#unknown + 1] = id
      elseif isOlder then
        elsewhere[#elsewhere + 1] = id
        elsewhere[#elsewhere + 1] = start.hostId
        elsewhere[#elsewhere + 1] = start.before == session.id and start.untilMs > now and 'waits' or ''
      else
        local verdict = store(i, id, place, directory)
        if verdict == 'elsewhere' then
          elsewhere[#elsewhere + 1] = id
          elsewhere[#elsewhere + 1] = start and start.hostId or ''
          elsewhere[#elsewhere + 1] = ''
        elseif verdict == 'unknown' then
          unknown[#unknown + 1] = id
        elseif session.id ~= '' and directory ~= '' and (not start or start.session ~= session.id) then
          keepStart(id, { session = session.id, startedMs = startedMs, hostId = session.hostId })
        end
      end
    end
  end
  return unknown, forgotten, elsewhere
end

-- That of core/control/upgradeDatabase.ts; of a row that can't be read, nobody knows.
local function oldestPossible(text)
  local isRead, row = pcall(cjson.decode, text or 'null')
  if not isRead or type(row) ~= 'table' or type(row.version) ~= 'number' then return -1, -1 end
  if row.phase == 'recovering' then return row.version - 1, row.version end
  return row.version, row.version
end

-- Whether a registered node may run a version before \`below\`. Of clients only those count that are pinned to \`pinsFrom\` or a later version.
local function mayRunOlder(below, pinsFrom)
  sweep()
  local found = redis.call('ZRANGE', members, 0, -1)
  for first = 1, #found, ${idsPerCommand} do
    local ids, services = {}, {}
    for i = first, math.min(first + ${idsPerCommand} - 1, #found) do
      local service, id = split(found[i])
      ids[#ids + 1] = id
      services[#services + 1] = service
    end
    local texts = redis.call('HMGET', rows, unpack(ids))
    for i = 1, #ids do
      local oldest, version = oldestPossible(texts[i])
      if oldest < below and (services[i] ~= '${clientService}' or version >= pinsFrom or (version < 0 and pinsFrom < math.huge)) then return true end
    end
  end
  return false
end
`

/** A script that begins with the preamble. */
export const nodeScript = (body: string) => ({ lua: `${preamble}${body}` })
