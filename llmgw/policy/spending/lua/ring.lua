-- What the last minute of a limit counted.
local call = redis.call
local RING = 61

-- The counts of the last minute, one bucket a second, which buckets have become too old, and what the one has that
-- counts now; `again` tells that this is not the first call of its second.
local function ring(key, second)
  local here = second % RING
  local v = call('HMGET', key, 'at', 'r', 't', 'r' .. here, 't' .. here)
  local r = {at = second, last = second, requests = 0, tokens = 0, fresh = true, old = {}, bucket = {0, 0}}
  local last = tonumber(v[1])
  -- A clock that was put back by more than a minute starts anew; by less, it waits in the newest bucket.
  if not last or second - last >= RING or last - second >= RING then return r end
  r.at, r.last, r.fresh = math.max(second, last), last, false
  r.requests, r.tokens = tonumber(v[2]), tonumber(v[3])
  for s = last + 1, r.at do
    r.old[#r.old + 1] = 'r' .. s % RING
    r.old[#r.old + 1] = 't' .. s % RING
  end
  if #r.old > 0 then
    local gone = call('HMGET', key, unpack(r.old))
    for i = 1, #gone, 2 do
      r.requests, r.tokens = r.requests - (tonumber(gone[i]) or 0), r.tokens - (tonumber(gone[i + 1]) or 0)
    end
  end
  if last == second then
    r.again, r.bucket = true, {tonumber(v[4]) or 0, tonumber(v[5]) or 0}
  elseif last > second then
    local b = call('HMGET', key, 'r' .. last % RING, 't' .. last % RING)
    r.bucket = {tonumber(b[1]) or 0, tonumber(b[2]) or 0}
  end
  return r
end
