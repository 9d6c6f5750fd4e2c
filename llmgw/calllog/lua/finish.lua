-- Takes away what is in segments now, and moves the cursor behind it, in one step.
-- KEYS stream meta | ARGV fence last rows bytes
local known = redis.call('HMGET', KEYS[2], 'fence', 'draft_last', 'rows', 'bytes')
if known[1] ~= ARGV[1] or known[2] ~= ARGV[2] then return 0 end
local ms, number = string.match(ARGV[2], '^(%d+)-(%d+)$')
redis.call('XTRIM', KEYS[1], 'MINID', '=', ms .. '-' .. string.format('%.0f', tonumber(number) + 1))
local rows = math.max(0, tonumber(known[3] or 0) - tonumber(ARGV[3]))
local bytes = math.max(0, tonumber(known[4] or 0) - tonumber(ARGV[4]))
if redis.call('XLEN', KEYS[1]) == 0 then rows, bytes = 0, 0 end
redis.call('HSET', KEYS[2], 'cursor', ARGV[2], 'rows', rows, 'bytes', bytes, 'since', ms)
redis.call('HDEL', KEYS[2], 'draft_last', 'halted')
return 1
