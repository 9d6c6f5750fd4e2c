-- What the last minute of a limit counted.
local call = redis.call
local RING = 61

-- The counts of the last minute, one bucket a second, and which buckets have become too old.
local function ring(key, second)
  local v = call('HMGET', key, 'at', 'r', 't')
  local r = {at = second, last = second, requests = 0, tokens = 0, fresh = true, old = {}}
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
  return r
end
