/**
 * The scripts about registered nodes and their leases (redisScripts.ts), and about how far these can be
 * believed.
 */
import { lapsedKeptMs } from '../udbFactory.js'
import { forgetting } from './directiveScripts.js'
import { levelLua } from './levelLua.js'
import { idsPerCommand, nodeScript } from './redisPreamble.js'

/**
 * Answers rows, each followed by 1 for a lease that runs and 0 for one that has run out. Those whose id is in
 * `expired` are left out.
 */
const listNodes = `
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
    if texts[i] and not expired[ids[i]] then
      answer[#answer + 1] = texts[i]
      answer[#answer + 1] = (expiries[i] and tonumber(expiries[i]) > now) and 1 or 0
    end
  end
end
return answer`

export const registrationScripts = {
  /**
   * Answers 1 and the start before; or 0, the directory and the host that the node is registered with; or 2
   * and the level, which the start does not read (T3). Then the standing.
   */
  theseusRegister: nodeScript(`${levelLua}
local function movedIn(text)
  local isRow, status = pcall(cjson.decode, text or 'null')
  local moved = isRow and type(status) == 'table' and type(status.moved) == 'table' and status.moved or {}
  return { from = moved.from, number = tonumber(moved.number) or 0 }
end
local id, service, directory, row, leaseMs = unpack(ARGV)
local session = sessionFrom(6)
local a, stampMs = heard(session, tonumber(leaseMs))
local level = redis.call('HGET', registrations, '/level')
if level and not doesRead(readsIn(row), numbersIn(level)) then return { 2, level, '', 0, standing(a, stampMs) } end
local place = service .. '/' .. directory
local found = redis.call('HGET', registrations, id)
local start = { session = session.id, startedMs = now - session.ageMs, hostId = session.hostId }
local isFenced = session.id ~= '' and directory ~= ''
local before, beforeHost, leftMs = '', '', 0
local foundService, foundDirectory, hasMoved
if found then
  foundService, foundDirectory = split(found)
  -- M3. It has left that directory, whose start serves it no more.
  local moved = movedIn(row)
  local movedBefore = movedIn(redis.call('HGET', rows, id))
  hasMoved = foundDirectory ~= '' and foundDirectory ~= directory and moved.from == foundDirectory
    and moved.number > movedBefore.number
end
if found and not hasMoved then
  local other = foundDirectory ~= '' and readStart(id) or nil
  local isOther = isFenced and other ~= nil and other.session ~= session.id
  local isNewer = isOther and other.startedMs > start.startedMs
  local isOver = isOther and isOver(session, other)
  if isNewer and isOver then isNewer, start.startedMs = false, other.startedMs + 1 end
  if (foundDirectory ~= '' and foundDirectory ~= directory) or isNewer then
    return { 0, foundDirectory, other and other.hostId or '', 0, standing(a, stampMs) }
  end
  local leaseEndsMs = tonumber(redis.call('ZMSCORE', leases, id)[1] or '0')
  if isOther and not isOver and other.hostId ~= '' and leaseEndsMs > now then
    start.before, start.beforeHost, start.untilMs = other.session, other.hostId, math.max(leaseEndsMs, other.untilMs)
  elseif other and other.before and other.untilMs > now then
    start.before, start.beforeHost, start.untilMs = other.before, other.beforeHost, other.untilMs
  end
  if start.before then before, beforeHost, leftMs = start.before, start.beforeHost, start.untilMs - now end
end
if found then
  if foundService ~= service then
    redis.call('ZREM', members, foundService .. '/' .. id)
    redis.call('ZREM', slots, foundService .. '/' .. id)
  end
  redis.call('ZREM', transient, id)
end
redis.call('HSET', registrations, id, place)
if isFenced then keepStart(id, start) end
stampMs = unforget(id, session, stampMs)
redis.call('ZADD', members, 0, service .. '/' .. id)
redis.call('HSET', rows, id, row)
renew(id, place, leaseMs)
return { 1, before, beforeHost, leftMs, standing(a, stampMs) }`),

  /**
   * A report from another place than the registered one comes from a node that was forgotten
   * and began anew elsewhere.
   */
  theseusReport: nodeScript(`
local leaseMs, session = ARGV[1], sessionFrom(2)
local a, stampMs = heard(session, tonumber(leaseMs))
local unknown, forgotten, elsewhere = each(session, 9, 4, function(i, id, place, directory)
  local _, own = split(ARGV[i + 2])
  if directory ~= '' and directory ~= own then return 'elsewhere' end
  if place ~= ARGV[i + 2] then return 'unknown' end
  redis.call('HSET', rows, id, ARGV[i + 3])
  renew(id, place, leaseMs)
end)
return { unknown, forgotten, elsewhere, standing(a, stampMs) }`),

  theseusRenew: nodeScript(`
local leaseMs, session = ARGV[1], sessionFrom(2)
local a, stampMs = heard(session, tonumber(leaseMs))
local unknown, forgotten, elsewhere = each(session, 9, 2, function(_, id, place, directory)
  if session.id ~= '' and directory ~= '' and directory ~= session.directory then return 'elsewhere' end
  renew(id, place, leaseMs)
end)
return { unknown, forgotten, elsewhere, standing(a, stampMs) }`),

  /** A start has stopped nodes, which a newer one may have. One without a host has ended. */
  theseusGone: nodeScript(`
for i = 2, #ARGV do
  local start = readStart(ARGV[i])
  if start and start.before == ARGV[1] then
    start.before = nil
    keepStart(ARGV[i], start)
  elseif start and start.session == ARGV[1] then
    if start.before and start.untilMs > now then
      -- It has not served yet: the one before goes on.
      start.session, start.hostId, start.startedMs, start.before = start.before, start.beforeHost, start.startedMs - 1, nil
    else
      start.hostId, start.before = '', nil
    end
    keepStart(ARGV[i], start)
  end
end`),

  theseusAttend: nodeScript(`${levelLua}
local a, stampMs = heard(sessionFrom(1), nil)
if ARGV[8] ~= '' then keepServer(ARGV[1], ARGV[8]) end
return standing(a, stampMs)`),

  /** Changes nothing. */
  theseusStanding: nodeScript(`
return standing(readAttendance(), nil)`),

  theseusDoubt: nodeScript(`
local session = sessionFrom(1)
local a = heard(session, nil)
if isLossy() then return end
doubted(a, 'lost', nextEpoch(a, session))
keepAttendance(a)`),

  /**
   * Looks through all slots: a node that is registered no more may still hold one. Its controls go where the
   * login may write them.
   */
  theseusForget: nodeScript(`${forgetting}
forget(unpack(ARGV))`),

  /** Removes those that count as registered no more, first. */
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
local expired = {}
${listNodes}`),

  /** The same for a login that may only read: nothing is removed. */
  theseusReadNodes: nodeScript(`
local expired = {}
if doubtNow(readAttendance()) == '-' then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', transient, '-inf', now)) do expired[id] = true end
end
${listNodes}`),
} as const
