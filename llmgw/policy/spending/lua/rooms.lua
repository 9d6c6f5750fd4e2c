-- What some limits counted and some budgets say, at one instant. KEYS epoch (rate leases)… budget… ARGV now n-limits
if call('EXISTS', KEYS[1]) == 0 then return {'RESET'} end
local now, limits = tonumber(ARGV[1]), tonumber(ARGV[2])
if not now then
  local t = call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local second = math.floor(now / 1000)
local found = {'OK'}
for i = 1, limits do
  local rate, leases = KEYS[2 * i], KEYS[2 * i + 1]
  local r = ring(rate, second)
  -- Nothing is counted any more when the newest bucket has left the window.
  local empty_ms = 0
  if r.requests > 0 or r.tokens > 0 then empty_ms = (r.last + RING) * 1000 - now end
  local busy = call('ZCOUNT', leases, string.format('(%d', now), '+inf')
  found[i + 1] = {string.format('%d', r.requests), string.format('%d', r.tokens), busy, empty_ms}
end
for i = 2 * limits + 2, #KEYS do found[#found + 1] = call('HMGET', KEYS[i], 'spent', 'held') end
return found
