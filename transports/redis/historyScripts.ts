/** The scripts about the history (redisScripts.ts): the versions that are installed, and their bundles. */
import { overwrittenTable } from '../../core/model/reservedTables.js'
import { stagedBundlesMax, stagedBytesMax, stagedMs } from '../udbFactory.js'
import { levelLua } from './levelLua.js'
import { redisLayout } from './redisKeys.js'
import { nodeScript } from './redisPreamble.js'

/** The fields about a staged bundle stay longer than the bundle: one without them is kept. */
const stagedLongerMs = 1_000

/** A Lua function. The last keys are those of the tables that get entries: one for each entry. */
const installing = `
local function install(keys, args)
local head, manifests, signatures, tables, final, bundle, overwritten, controls = unpack(keys)
local expectedVersion, expectedDigest, version, digest, manifest, signature, undoes, bundleDigest, writes, of, way, control, told = unpack(args)
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
if control ~= '' then redis.call('HSET', controls, control, told) end
for i = 9, #keys do
  local name, key, value = unpack(args, 14 + (i - 9) * 3, 16 + (i - 9) * 3)
  local kept = of .. '/' .. name .. '/' .. key
  local now, before = redis.call('HGET', keys[i], key), redis.call('HGET', overwritten, kept)
  local to = now
  if way == 'sets' then
    to = value
    if now then
      redis.call('HSET', overwritten, kept, now)
      redis.call('SADD', tables, '${overwrittenTable}')
    end
  elseif way == 'takesBack' then
    if now == value then to = before end
  elseif now == before then
    to = value
  end
  if to then
    redis.call('HSET', keys[i], key, to)
    redis.call('SADD', tables, name)
  elseif now then
    redis.call('HDEL', keys[i], key)
    if redis.call('EXISTS', keys[i]) == 0 then redis.call('SREM', tables, name) end
  end
end
redis.call('HSET', head, 'version', version, 'digest', digest, 'layout', '${redisLayout}')
if bundleDigest ~= '' then
  redis.pcall('PERSIST', bundle)
  redis.call('HDEL', head, 'staged/' .. bundleDigest)
  if redis.call('EXISTS', bundle) == 1 then
    redis.call('HSET', bundle, 'writes', string.format('%.0f', (tonumber(written or '0') or 0) + 1))
  end
end
return 1
end`

export const historyScripts = {
  theseusInstall: { lua: `${installing}\nreturn install(KEYS, ARGV)` },

  /**
   * The same once everybody who is registered reads the numbers, in one decision (T3): with the level that is
   * to be stored then, if any. Of the keys the first are those of nodes.
   */
  theseusInstallAsked: nodeScript(`${levelLua}
${installing}
local numbers, level = ARGV[1], ARGV[2]
if numbers ~= '' and not isReadByAll(numbersIn(numbers)) then return 0 end
local done = install({ unpack(KEYS, 7) }, { unpack(ARGV, 3) })
if done == 1 and level ~= '' then keepLevel(level) end
return done`),

  theseusRestoreLevel: nodeScript(`${levelLua}
if ARGV[2] ~= '' and isLevel(numbersIn(ARGV[2])) then redis.call('HDEL', registrations, '/level') end
keepLevel(ARGV[1])`),

  /** Answers the level and, of each upgrade server that was heard of late, its id and software. */
  theseusReaders: nodeScript(`${levelLua}
local answer = { redis.call('HGET', registrations, '/level') or '' }
for id, server in pairs(readServers()) do
  answer[#answer + 1] = id
  answer[#answer + 1] = server[2]
end
return answer`),

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
} as const
