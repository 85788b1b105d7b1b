/**
 * The part of scripts about the formats that are read and written, as Lua: after the preamble. The level, and
 * the upgrade servers that were heard of late, are fields of `registrations` with a slash, so no login needs
 * another key, and release 0.1.0 passes them over.
 */
import { firstLevel } from '../../core/base/level.js'
import { serverKeptMs } from '../udbFactory.js'
import { levelNumberMax, numbersText } from './redisLevel.js'
import { idsPerCommand } from './redisPreamble.js'

export const levelLua = `
-- Numbers of formats, as \`envelope=2 manifest=3\`. The first word of a level is the release that reads it.
local function numbersIn(text)
  local numbers = {}
  for name, number in string.gmatch(text, '(%a+)=(%d+)') do numbers[name] = math.min(tonumber(number), ${levelNumberMax}) end
  return numbers
end

local function isLevel(numbers)
  local kept = numbersIn(redis.call('HGET', registrations, '/level') or '')
  for name, number in pairs(kept) do
    if numbers[name] ~= number then return false end
  end
  for name, number in pairs(numbers) do
    if kept[name] ~= number then return false end
  end
  return true
end

local function doesRead(reads, numbers)
  for name, number in pairs(numbers) do
    if number > (tonumber(reads[name]) or 0) then return false end
  end
  return true
end

-- Of a row, or an upgrade server, in JSON. Release 0.1.0 says nothing of itself; of what can't be read nobody knows.
local function readsIn(text)
  local isRead, row = pcall(cjson.decode, text or 'null')
  if not isRead or type(row) ~= 'table' then return {} end
  local reads = type(row.software) == 'table' and row.software.reads
  return type(reads) == 'table' and reads or numbersIn('${numbersText(firstLevel)}')
end

-- Those that were heard of late: when that ends, and the software in JSON, by id.
local function readServers()
  local isRead, servers = pcall(cjson.decode, redis.call('HGET', registrations, '/servers') or '{}')
  local found = {}
  if not isRead or type(servers) ~= 'table' then return found end
  for id, server in pairs(servers) do
    if type(server) == 'table' and type(server[2]) == 'string' and (tonumber(server[1]) or 0) > now then found[id] = server end
  end
  return found
end

local function keepServer(id, software)
  local servers = readServers()
  servers[id] = { now + ${serverKeptMs}, software }
  redis.call('HSET', registrations, '/servers', cjson.encode(servers))
end

-- Of all that are registered, alive or not.
local function isReadByAll(numbers)
  sweep()
  for _, server in pairs(readServers()) do
    if not doesRead(readsIn('{"software":' .. server[2] .. '}'), numbers) then return false end
  end
  local found = redis.call('ZRANGE', members, 0, -1)
  for first = 1, #found, ${idsPerCommand} do
    local ids = {}
    for i = first, math.min(first + ${idsPerCommand} - 1, #found) do
      local _, id = split(found[i])
      ids[#ids + 1] = id
    end
    local texts = redis.call('HMGET', rows, unpack(ids))
    for i = 1, #ids do
      if not doesRead(readsIn(texts[i]), numbers) then return false end
    end
  end
  return true
end

-- Each number stays where it is greater; the release stays where nothing changes.
local function keepLevel(text)
  local before = redis.call('HGET', registrations, '/level') or ''
  local numbers, isNew = numbersIn(before), before == ''
  for name, number in pairs(numbersIn(text)) do
    if number > (numbers[name] or 0) then numbers[name], isNew = number, true end
  end
  if not isNew then return end
  local words = {}
  for name, number in pairs(numbers) do words[#words + 1] = name .. '=' .. whole(number) end
  table.sort(words)
  redis.call('HSET', registrations, '/level', string.match(text, '^%S+') .. ' ' .. table.concat(words, ' '))
end
`
