/** The scripts about the permits under a service's limit (redisScripts.ts): who may upgrade now. */
import { controlReasonLengthMax } from '../../core/control/control.js'
import { heldByMax } from '../udbFactory.js'
import { nodeScript } from './redisPreamble.js'

export const permitScripts = {
  /**
   * Answers 1, or 0 followed by the holders, or 2 followed by the control that holds the node back (`holding`
   * in core/control/control.ts), or 3 on probation, or 4 where another start has the node.
   */
  theseusClaim: nodeScript(`
local controls, service, id, version, isUndo, count, percent, passes = unpack(ARGV)
local session = sessionFrom(9)
if isOfNewer(id, session) then return { 4 } end
-- What is none, or another one than its field says, holds nobody.
local function control(kind, name)
  local text = redis.call('HGET', controls, kind .. '/' .. name)
  local isRead, told = pcall(cjson.decode, text or 'null')
  if not isRead or type(told) ~= 'table' or told.kind ~= kind or type(told.since) ~= 'number' then return nil end
  return told, text
end
-- In UTF-16, as \`isControl\` counts: the first bytes of characters, and once more those of surrogate pairs.
local function lengthOf(text)
  return select(2, string.gsub(text, '[^\\128-\\191]', '')) + select(2, string.gsub(text, '[\\240-\\255]', ''))
end
local function holds(told)
  return told and type(told.reason) == 'string' and lengthOf(told.reason) <= ${controlReasonLengthMax}
end
local hold, holdText = control('hold', id)
if holds(hold) and hold.nodeId == id then return { 2, holdText } end
if isUndo == '0' then
  local pause, pauseText = control('pause', version)
  local told = control('now', id)
  local isToldToGo = told and told.nodeId == id and told.version == tonumber(version)
  if holds(pause) and pause.version == tonumber(version) and not isToldToGo and pause.since ~= tonumber(passes) then return { 2, pauseText } end
end
local mine = service .. '/' .. id
-- Who asks has been heard, before Redis lost that. Also a slot that is here may have been given back since.
if isLossy() or (session.id ~= '' and not redis.call('ZMSCORE', leases, 'host/' .. session.id)[1]) then return { 3 } end
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
return answer`),

  theseusReleaseSlot: nodeScript(`
if not isOfNewer(ARGV[2], sessionFrom(3)) then redis.call('ZREM', slots, ARGV[1] .. '/' .. ARGV[2]) end`),

  /** Answers 1 on probation, and 0 at other times. */
  theseusRestoreSlot: nodeScript(`
if not isLossy() or isOfNewer(ARGV[2], sessionFrom(3)) then return 0 end
redis.call('ZADD', slots, 0, ARGV[1] .. '/' .. ARGV[2])
return 1`),
} as const
