/**
 * The script of the audit (core/control/audit.ts). It uses no command that the upgrade server's login of an
 * older release may not.
 */
/** Answers 1, or 0 where another entry is the newest. */
export const appendAuditScript = {
  lua: `
local audit, head = unpack(KEYS)
local number, hash, entry, newHash, log = unpack(ARGV)
local entriesMax, bytesMax = tonumber(ARGV[6]), tonumber(ARGV[7])
local newest, newestHash, first, bytes = unpack(redis.call('HMGET', head, 'number', 'hash', 'first', 'bytes'))
if (newest or '0') ~= number or (newestHash or '') ~= hash then return 0 end
local last = tonumber(number) + 1
first, bytes = tonumber(first) or 1, (tonumber(bytes) or 0) + string.len(entry)
local held, dropped = redis.call('RPUSH', audit, entry), 0
while held - dropped > 1 and (held - dropped > entriesMax or bytes > bytesMax) do
  bytes = bytes - string.len(redis.call('LINDEX', audit, dropped))
  dropped = dropped + 1
end
redis.call('LTRIM', audit, dropped, -1)
-- Where the list was lost alone, the head still counts its bytes.
if held - dropped == 1 then bytes = string.len(entry) end
local function whole(value) return string.format('%.0f', value) end
redis.call('HSET', head, 'number', whole(last), 'hash', newHash, 'log', log, 'first', whole(first + dropped), 'bytes', whole(bytes))
return 1`,
}
