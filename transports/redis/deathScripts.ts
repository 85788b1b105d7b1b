/** The scripts about versions that are dead, or final (redisScripts.ts). */
import { finalizing } from './directiveScripts.js'
import { nodeScript } from './redisPreamble.js'

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

export const deathScripts = {
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
