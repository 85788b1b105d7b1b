/**
 * The decisions that must be atomic, as Lua. Each script gets the keys that it writes in KEYS
 * (Redis Cluster asks for it).
 *
 * R1. A node id is registered with at most one directory.
 * R2. Never more slots of a service are given out than its limit allows, and only a release, `forget`, or the
 *     node's registration for another service frees one.
 * R3. Leases are counted by the Redis server's clock alone, so that the hosts' clocks don't matter. So is the
 *     moment of a death.
 * R4. Death moves forward only, and past no version that a registered node may still run; of a row that can't
 *     be read, nobody knows (C8).
 * R5. The name of a table is listed exactly as long as the table has entries.
 *
 * A key that a login may only read is an argument, and not in KEYS: for each of those Redis asks for the
 * right to write. The hash tag keeps it in the same slot of a cluster all the same.
 */
import { controlReasonLengthMax } from '../../core/control/control.js'
import { heldByMax, lapsedKeptMs, stagedBundlesMax, stagedBytesMax, stagedMs } from '../udbFactory.js'
import { appendAuditScript } from './auditScripts.js'
import { directBody, directiveLogBody, finalizing, forgetting } from './directiveScripts.js'
import { redisLayout } from './redisKeys.js'
import { idsPerCommand, preamble } from './redisPreamble.js'

/** In UTF-8. */
const controlReasonBytesMax = 3 * controlReasonLengthMax

/** The fields about a staged bundle stay longer than the bundle: one without them is kept. */
const stagedLongerMs = 1_000

const nodeScript = (body: string) => ({ lua: `${preamble}${body}` })

/**
 * Reads a death, and settles one that is due, where the login may write it; in force is what \`inForce\`
 * says, or, of a Theseus of before, what the time says.
 */
const settleDeath = `
local dead = KEYS[7] or ARGV[1]
local function readDeath()
  local below, sinceMs, before, inForce = unpack(redis.call('HMGET', dead, 'below', 'sinceMs', 'before', 'inForce'))
  local death = { below = tonumber(below or '0'), sinceMs = tonumber(sinceMs or '0'), before = tonumber(before or '0') }
  if not death.below or not death.sinceMs or not death.before then return nil end
  death.inForce = tonumber(inForce or '')
  -- One who did not write \`inForce\` may have told hosts already.
  if not death.inForce then death.inForce = now >= death.sinceMs and death.below or death.before end
  return death
end

local function answerDeath()
  local answer = redis.call('HMGET', dead, 'below', 'sinceMs', 'before', 'inForce')
  answer[5] = whole(now)
  return answer
end

local function settle()
  local death = readDeath()
  if not death or death.inForce >= death.below or now < death.sinceMs then return death end
  if doubtNow(readAttendance()) ~= '-' then return death end
  if not mayRunOlder(death.below, death.inForce) then
    redis.pcall('HSET', dead, 'inForce', whole(death.below))
  elseif death.inForce == 0 then
    redis.pcall('HDEL', dead, 'below', 'sinceMs', 'before', 'inForce')
  else
    local inForce = whole(death.inForce)
    redis.pcall('HSET', dead, 'below', inForce, 'sinceMs', whole(now), 'before', inForce, 'inForce', inForce)
  end
  return readDeath()
end
`

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

export const scripts = {
  theseusInstall: {
    // The last keys are those of the tables that get entries: one for each entry.
    lua: `
local head, manifests, signatures, tables, final, bundle = unpack(KEYS)
local expectedVersion, expectedDigest, version, digest, manifest, signature, undoes, bundleDigest, writes = unpack(ARGV)
if (redis.call('HGET', head, 'version') or '0') ~= expectedVersion then return 0 end
if (redis.call('HGET', head, 'digest') or '') ~= expectedDigest then return 0 end
-- Whoever reads the head next says why.
if (tonumber(redis.call('HGET', head, 'layout') or '1') or math.huge) > ${redisLayout} then return 0 end
-- It may have become final since the server looked.
if undoes ~= '' and tonumber(undoes) <= (tonumber(redis.call('GET', final) or '0') or math.huge) then return 0 end
-- Somebody may have written the bundle since the server looked.
local written = bundleDigest ~= '' and redis.call('HGET', bundle, 'writes') or '0'
if writes ~= '' and (written or '0') ~= writes then return 0 end
redis.call('HSET', manifests, version, manifest)
if signature ~= '' then redis.call('HSET', signatures, version, signature) end
for i = 7, #KEYS do
  local name, key, value = unpack(ARGV, 10 + (i - 7) * 3, 12 + (i - 7) * 3)
  redis.call('HSET', KEYS[i], key, value)
  redis.call('SADD', tables, name)
end
redis.call('HSET', head, 'version', version, 'digest', digest, 'layout', '${redisLayout}')
if bundleDigest ~= '' then
  redis.pcall('PERSIST', bundle)
  redis.call('HDEL', head, 'staged/' .. bundleDigest)
  if redis.call('EXISTS', bundle) == 1 then
    redis.call('HSET', bundle, 'writes', string.format('%.0f', (tonumber(written or '0') or 0) + 1))
  end
end
return 1`,
  },

  /**
   * Answers 1; 2, if the bundle was written since it had so many writes; or 0, and how many bundles are
   * staged and their bytes. Of each that is, `head` tells until when at most, and its bytes: the key is gone
   * before that. An ACL of release 0.1.0 does not let it go: then it stays, as it did.
   */
  theseusPutChunk: {
    lua: `
local head, bundle = unpack(KEYS)
local digest, index, bytes, as, writes = unpack(ARGV)
local written = redis.call('HGET', bundle, 'writes') or '0'
if writes ~= '' and written ~= writes then return { 2 } end
local function write()
  redis.call('HSET', bundle, index, bytes, 'writes', string.format('%.0f', (tonumber(written) or 0) + 1))
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local isThere = redis.call('EXISTS', bundle) == 1
local bundles, total, own = 0, 0, nil
local fields = redis.call('HGETALL', head)
for i = 1, #fields, 2 do
  local of = string.match(fields[i], '^staged/(.+)$')
  if of then
    local untilMs, size = string.match(fields[i + 1], '^(%d+) (%d+)$')
    if not untilMs or tonumber(untilMs) <= now or (of == digest and not isThere) then
      redis.call('HDEL', head, fields[i])
    else
      bundles, total = bundles + 1, total + tonumber(size)
      if of == digest then own = tonumber(size) end
    end
  end
end
if as == 'kept' or (isThere and not own) then
  write()
  redis.pcall('PERSIST', bundle)
  redis.call('HDEL', head, 'staged/' .. digest)
  return { 1 }
end
local more = #bytes - #(redis.call('HGET', bundle, index) or '')
if (not own and bundles >= ${stagedBundlesMax}) or total + more > ${stagedBytesMax} then return { 0, bundles, total } end
write()
redis.pcall('PEXPIRE', bundle, ${stagedMs})
redis.call('HSET', head, 'staged/' .. digest, string.format('%.0f %.0f', now + ${stagedMs + stagedLongerMs}, (own or 0) + more))
return { 1 }`,
  },

  theseusKeepBundle: {
    lua: `
local head, bundle = unpack(KEYS)
redis.pcall('PERSIST', bundle)
redis.call('HDEL', head, 'staged/' .. ARGV[1])`,
  },

  /**
   * Answers 1 and the start before, or 0, the directory and the host that the node is
   * registered with; then the standing.
   */
  theseusRegister: nodeScript(`
local id, service, directory, row, leaseMs = unpack(ARGV)
local session = sessionFrom(6)
local a, stampMs = heard(session, tonumber(leaseMs))
local place = service .. '/' .. directory
local found = redis.call('HGET', registrations, id)
local start = { session = session.id, startedMs = now - session.ageMs, hostId = session.hostId }
local isFenced = session.id ~= '' and directory ~= ''
local before, beforeHost, leftMs = '', '', 0
if found then
  local foundService, foundDirectory = split(found)
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

  theseusAttend: nodeScript(`
local a, stampMs = heard(sessionFrom(1), nil)
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

  /**
   * Answers 1, or 0 followed by the holders, or 2 followed by the control that holds the node back (`holding`
   * in core/control/control.ts), or 3 on probation, or 4 where another start has the node.
   */
  theseusClaim: nodeScript(`
local controls, service, id, version, isUndo, count, percent = unpack(ARGV)
local session = sessionFrom(8)
if isOfNewer(id, session) then return { 4 } end
-- What is none, or another one than its field says, holds nobody.
local function control(kind, name)
  local text = redis.call('HGET', controls, kind .. '/' .. name)
  local isRead, told = pcall(cjson.decode, text or 'null')
  if not isRead or type(told) ~= 'table' or told.kind ~= kind or type(told.since) ~= 'number' then return nil end
  return told, text
end
local function holds(told)
  return told and type(told.reason) == 'string' and #told.reason <= ${controlReasonBytesMax}
end
local hold, holdText = control('hold', id)
if holds(hold) and hold.nodeId == id then return { 2, holdText } end
if isUndo == '0' then
  local pause, pauseText = control('pause', version)
  local told = control('now', id)
  local isToldToGo = told and told.nodeId == id and told.version == tonumber(version)
  if holds(pause) and pause.version == tonumber(version) and not isToldToGo then return { 2, pauseText } end
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

  theseusDirectiveLog: nodeScript(directiveLogBody),

  theseusDirect: nodeScript(directBody),

  theseusAppendAudit: appendAuditScript,

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

  /** Answers `below`, `sinceMs`, `before`, `inForce`, and the time. Settles a death that is due. */
  theseusDead: nodeScript(`${settleDeath}
settle()
return answerDeath()`),

  /** The same for a login that may only read: one that is due is settled by the upgrade server. */
  theseusReadDead: nodeScript(`${settleDeath}
return answerDeath()`),

  /** Answers the death as it is afterwards, as `theseusDead` does. */
  theseusDeclareDead: nodeScript(`${settleDeath}
local below, delayMs = tonumber(ARGV[1]), tonumber(ARGV[2])
local death = settle()
-- What can't be read is not written over: the reader is told.
if not death or below <= death.below or death.inForce < death.below then return answerDeath() end
if doubtNow(readAttendance()) ~= '-' or mayRunOlder(below, death.inForce) then return answerDeath() end
local before = whole(death.below)
local inForce = delayMs == 0 and ARGV[1] or before
redis.call('HSET', dead, 'below', ARGV[1], 'sinceMs', whole(now + delayMs), 'before', before, 'inForce', inForce)
return answerDeath()`),

  /** Answers what is final afterwards. */
  theseusFinalize: nodeScript(`${finalizing}
return finalize(KEYS[7], KEYS[8], ARGV[1])`),

  /** Gives back what was dead and final before a loss. */
  theseusGiveBack: nodeScript(`${settleDeath}
local head, final = KEYS[8], KEYS[9]
local deadVersion, finalVersion = tonumber(ARGV[1]), tonumber(ARGV[2])
local newest = tonumber(redis.call('HGET', head, 'version') or '0')
if not isLossy() or newest == nil then return end
local death = readDeath()
if death and deadVersion > death.inForce and deadVersion <= newest and not mayRunOlder(deadVersion, deadVersion) then
  redis.call('HSET', dead, 'below', ARGV[1], 'sinceMs', whole(now), 'before', ARGV[1], 'inForce', ARGV[1])
end
local before = tonumber(redis.call('GET', final) or '0')
if before and finalVersion > before and finalVersion <= newest and not mayRunOlder(finalVersion, math.huge) then
  redis.call('SET', final, ARGV[2])
end`),
} as const

export type ScriptName = keyof typeof scripts
