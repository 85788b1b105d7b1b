/**
 * The script of the audit (core/control/audit.ts). It uses no command that the upgrade server's login of an
 * older release may not.
 */
import { auditKeptBytesMax, auditKeptMax } from '../../core/control/audit.js'

/** Answers 1, or 0 where another entry is the newest. */
export const appendAuditScript = {
  lua: `
local audit, head = unpack(KEYS)
local number, hash, entry, newHash, log = unpack(ARGV)
local newest, newestHash, first, bytes = unpack(redis.call('HMGET', head, 'number', 'hash', 'first', 'bytes'))
if (newest or '0') ~= number or (newestHash or '') ~= hash then return 0 end
local last = tonumber(number) + 1
first, bytes = tonumber(first) or 1, (tonumber(bytes) or 0) + string.len(entry)
redis.call('RPUSH', audit, entry)
local dropped = 0
while last - first - dropped + 1 > ${auditKeptMax} or bytes > ${auditKeptBytesMax} do
  local oldest = redis.call('LINDEX', audit, dropped)
  if not oldest or dropped > last - first - 1 then break end
  bytes = bytes - string.len(oldest)
  dropped = dropped + 1
end
if dropped > 0 then redis.call('LTRIM', audit, dropped, -1) end
local function whole(value) return string.format('%.0f', value) end
redis.call('HSET', head, 'number', whole(last), 'hash', newHash, 'log', log, 'first', whole(first + dropped), 'bytes', whole(bytes))
return 1`,
}
