-- Checks every limit and every budget, then takes the leases, counts the request, and lays the estimate on hold.
-- Own: tokens hold-ms lease-ms reservation (requests tokens concurrent)…limits amount…budgets
local tokens, hold_ms, lease_ms = tonumber(own(1)), tonumber(own(2)), tonumber(own(3))
local second = math.floor(now / 1000)

local state = call('HGET', OPERATION, 's')
if state == 'held' then return {'AGAIN'} end
if state then return {'FINISHED', state} end

-- Milliseconds until so many have left the window that there is room; -1 where there never will be.
local function wait(key, r, letter, counted, need, most)
  if need > most then return '-1' end
  for s = r.at - RING + 1, r.last do
    counted = counted - (tonumber(call('HGET', key, letter .. s % RING)) or 0)
    if counted + need <= most then return text((s + RING) * 1000 - now) end
  end
  return text(RING * 1000)
end

local rings, room, busies = {}, {}, {}
for i = 1, LIMITS do
  local at = 4 + 3 * (i - 1)
  local requests, token_limit, most = tonumber(own(at + 1)), tonumber(own(at + 2)), tonumber(own(at + 3))
  local r = (requests or token_limit) and ring(rate_key(i), second) or {}
  local busy = 0
  if requests and r.requests + 1 > requests then
    return {'REQUESTS', i, text(math.max(requests - r.requests, 0)), wait(rate_key(i), r, 'r', r.requests, 1, requests)}
  end
  if token_limit and r.tokens + tokens > token_limit then
    return {'TOKENS', i, text(math.max(token_limit - r.tokens, 0)),
      wait(rate_key(i), r, 't', r.tokens, tokens, token_limit)}
  end
  if most then
    busy = call('ZCOUNT', lease_key(i), '(' .. text(now), '+inf')
    if busy >= most then
      local first = call('ZRANGEBYSCORE', lease_key(i), '(' .. text(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
      return {'CONCURRENT', i, '0', first[2] and text(tonumber(first[2]) - now) or '-1'}
    end
  end
  rings[i], busies[i] = r, busy
  room[#room + 1] = requests and text(requests - r.requests - 1) or ''
  room[#room + 1] = token_limit and text(token_limit - r.tokens - tokens) or ''
  room[#room + 1] = most and text(most - busy - 1) or ''
end

local helds, lefts, new = {}, {}, {}
for i = 1, BUDGETS do
  local v = call('HMGET', budget_key(i), 'spent', 'held')
  local spent, held = v[1] or '0', v[2] or '0'
  local left = add(own(4 + 3 * LIMITS + i), negate(add(spent, held)))
  lefts[i] = add(left, negate(ESTIMATE))
  if negative(lefts[i]) then return {'BUDGET', i, left, spent, held} end
  helds[i] = add(held, ESTIMATE)
  new[i] = not v[1] and not v[2]
end

-- From here on nothing is refused.
-- The record of a hold has no lifetime of its own: it ends with the hold.
local record = {'s', 'held', 'r', own(4)}
for i = 1, LIMITS do
  local key, leases, r, at = rate_key(i), lease_key(i), rings[i], 4 + 3 * (i - 1)
  if own(at + 1) ~= '' or own(at + 2) ~= '' then
    if r.fresh then
      call('DEL', key)
    elseif #r.old > 0 then
      call('HDEL', key, unpack(r.old))
    end
    local slot = r.at % RING
    call('HSET', key, 'at', text(r.at), 'r', text(r.requests + 1), 't', text(r.tokens + tokens),
      'r' .. slot, text(r.bucket[1] + 1), 't' .. slot, text(r.bucket[2] + tokens))
    -- Counted from the second's first call, it is still there when its second leaves the window.
    if not r.again then call('PEXPIRE', key, RING * 1000) end
    record[#record + 1], record[#record + 2] = 'at' .. i, text(r.at)
  end
  if own(at + 3) ~= '' then
    -- Leases of the dead are swept once a second, which is more than enough.
    if not r.again then call('ZREMRANGEBYSCORE', leases, '-inf', text(now)) end
    call('ZADD', leases, text(now + lease_ms), OP)
    if not r.again or busies[i] == 0 then call('PEXPIRE', leases, 86400000) end
  end
end
for i = 1, BUDGETS do
  call('HSET', budget_key(i), 'held', helds[i])
  if new[i] then begin_budget(i) end
end
call('HSET', OPEN, OP, hold_text())
call('ZADD', HOLDS, text(now + hold_ms), OP)
call('HSET', OPERATION, unpack(record))
return {'OK', room, lefts}
