-- Adds a batch to a stream, once, and makes room for it as asked: what is being written to a segment stays.
-- KEYS stream meta sent | ARGV sequence sent-kept-ms rows bytes max-rows max-bytes drop-oldest origin lines
-- Gives: whether it was added, rows that were dropped, rows and bytes that wait now, ms for which the oldest does, what keeps it waiting.
local sequence, count, size = tonumber(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[4])
local max_rows, max_bytes = tonumber(ARGV[5]), tonumber(ARGV[6])
local known = redis.call('HMGET', KEYS[2], 'rows', 'bytes', 'since', 'draft_last', 'cursor', 'halted')
local rows, bytes, since = tonumber(known[1] or 0), tonumber(known[2] or 0), tonumber(known[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local told, added, dropped = string.match(redis.call('GET', KEYS[3]) or '0 0 0', '^(%d+) (%d) (%d+)$')
added, dropped = tonumber(added), tonumber(dropped)
if sequence > tonumber(told) then
  added, dropped = 0, 0
  local after = '(' .. (known[4] or known[5] or '0-0')
  while ARGV[7] == '1' and (rows + count > max_rows or bytes + size > max_bytes) do
    local oldest = redis.call('XRANGE', KEYS[1], after, '+', 'COUNT', 1)[1]
    if not oldest then break end
    redis.call('XDEL', KEYS[1], oldest[1])
    rows, bytes = rows - tonumber(oldest[2][2]), bytes - tonumber(oldest[2][4])
    dropped = dropped + tonumber(oldest[2][2])
    if not known[4] then since = tonumber(string.match(oldest[1], '^%d+')) end
  end
  if rows + count > max_rows or bytes + size > max_bytes then
    dropped = dropped + count
  else
    if rows == 0 then since = now end
    redis.call('XADD', KEYS[1], '*', 'n', count, 'b', size, 'd', ARGV[9])
    rows, bytes, added = rows + count, bytes + size, 1
  end
  redis.call('HSET', KEYS[2], 'rows', rows, 'bytes', bytes, 'since', since or now)
  redis.call('HSETNX', KEYS[2], 'origin', ARGV[8])
  redis.call('SET', KEYS[3], sequence .. ' ' .. added .. ' ' .. dropped, 'PX', ARGV[2])
end
local waited = 0
if rows > 0 then waited = math.max(0, now - (since or now)) end
return {added, dropped, rows, bytes, waited, known[6] or ''}
