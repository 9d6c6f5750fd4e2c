-- Reads batches that are not yet in segments, and how far those are, in one step.
-- KEYS stream meta | ARGV after ('' for the cursor) max-bytes
-- Gives: origin, cursor, batches in the stream, whether the one at `after` is among them, id, lines, id, …
local known = redis.call('HMGET', KEYS[2], 'origin', 'cursor')
local cursor, after, there = known[2] or '0-0', ARGV[1], 0
if after == '' then after = cursor else there = #redis.call('XRANGE', KEYS[1], after, after) end
local found, size = {known[1] or '', cursor, redis.call('XLEN', KEYS[1]), there}, 0
while size < tonumber(ARGV[2]) do
  local batch = redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', 1)[1]
  if not batch then break end
  after, size = batch[1], size + tonumber(batch[2][4])
  found[#found + 1], found[#found + 2] = batch[1], batch[2][6]
end
return found
