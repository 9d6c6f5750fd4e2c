-- Admits operations whose limits and budgets are the same, one after the other: checks every limit and every budget,
-- then takes the leases, counts the request, and lays the estimate on hold. One that fails leaves the others to theirs.
-- Own: hold-ms lease-ms (requests tokens concurrent)…limits amount…budgets (op estimate tokens reservation)…
local hold_ms, lease_ms = tonumber(own(1)), tonumber(own(2))
local second = math.floor(now / 1000)

-- What counts now is read once, changed in memory by each that is admitted, and written once.
local rings, busies, spents, helds, new = {}, {}, {}, {}, {}
for i = 1, LIMITS do
  local at = 3 * i
  rings[i] = (own(at) ~= '' or own(at + 1) ~= '') and ring(rate_key(i), second) or {}
  if own(at + 2) ~= '' then busies[i] = call('ZCOUNT', lease_key(i), '(' .. text(now), '+inf') end
end
for i = 1, BUDGETS do
  local v = call('HMGET', budget_key(i), 'spent', 'held')
  spents[i], helds[i], new[i] = v[1] or '0', v[2] or '0', not v[1] and not v[2]
end

-- Milliseconds until so many have left the window that there is room; -1 where there never will be.
local function wait(key, r, letter, counted, need, most)
  if need > most then return '-1' end
  for s = r.at - RING + 1, r.at do
    local gone
    if s == r.at then
      gone = letter == 'r' and r.bucket[1] or r.bucket[2]
    elseif s <= r.last then
      gone = tonumber(call('HGET', key, letter .. s % RING))
    end
    counted = counted - (gone or 0)
    if counted + need <= most then return text((s + RING) * 1000 - now) end
  end
  return text(RING * 1000)
end

local open, holds, leases = {}, {}, {}
local function admit(at)
  local state = call('HGET', OPERATION, 's')
  if state == 'held' then return {'AGAIN'} end
  if state then return {'FINISHED', state} end
  local tokens, room = tonumber(own(at + 2)), {}
  local record = {'s', 'held', 'r', own(at + 3)}
  for i = 1, LIMITS do
    local r, busy = rings[i], busies[i]
    local requests, token_limit, most = tonumber(own(3 * i)), tonumber(own(3 * i + 1)), tonumber(own(3 * i + 2))
    if requests and r.requests + 1 > requests then
      return {'REQUESTS', i, text(math.max(requests - r.requests, 0)),
        wait(rate_key(i), r, 'r', r.requests, 1, requests)}
    end
    if token_limit and r.tokens + tokens > token_limit then
      return {'TOKENS', i, text(math.max(token_limit - r.tokens, 0)),
        wait(rate_key(i), r, 't', r.tokens, tokens, token_limit)}
    end
    if most and busy >= most then
      local first = call('ZRANGEBYSCORE', lease_key(i), '(' .. text(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
      -- Without an older one, the first to end is one that was taken in this step.
      local ends = first[2] and tonumber(first[2]) - now or #leases > 0 and lease_ms
      return {'CONCURRENT', i, '0', ends and text(ends) or '-1'}
    end
    room[#room + 1] = requests and text(requests - r.requests - 1) or ''
    room[#room + 1] = token_limit and text(token_limit - r.tokens - tokens) or ''
    room[#room + 1] = most and text(most - busy - 1) or ''
    if r.at then record[#record + 1], record[#record + 2] = 'at' .. i, text(r.at) end
  end
  local lefts = {}
  for i = 1, BUDGETS do
    local left = add(own(2 + 3 * LIMITS + i), negate(add(spents[i], helds[i])))
    lefts[i] = add(left, negate(ESTIMATE))
    if negative(lefts[i]) then return {'BUDGET', i, left, spents[i], helds[i]} end
  end

  -- From here on nothing is refused. The record of a hold has no lifetime of its own: it ends with the hold.
  call('HSET', OPERATION, unpack(record))
  for i = 1, LIMITS do
    local r = rings[i]
    if r.at then
      r.requests, r.tokens = r.requests + 1, r.tokens + tokens
      r.bucket = {r.bucket[1] + 1, r.bucket[2] + tokens}
    end
    if busies[i] then busies[i] = busies[i] + 1 end
  end
  for i = 1, BUDGETS do helds[i] = add(helds[i], ESTIMATE) end
  open[#open + 1], open[#open + 2] = OP, hold_text()
  holds[#holds + 1], holds[#holds + 2] = text(now + hold_ms), OP
  leases[#leases + 1], leases[#leases + 2] = text(now + lease_ms), OP
  return {'OK', room, lefts}
end

local answers, at, more = {'DONE'}, 3 + 3 * LIMITS + BUDGETS, 8 + 2 * LIMITS + BUDGETS
for k = 1, OPERATIONS do
  turn(own(at), k == 1 and KEYS[2] or KEYS[more + k], own(at + 1))
  local done, answer = pcall(admit, at)
  answers[k + 1] = done and answer or {'FAILED'}
  at = at + 4
end
if #open == 0 then return answers end

for i = 1, LIMITS do
  local key, r = rate_key(i), rings[i]
  if r.at then
    if r.fresh then
      call('DEL', key)
    elseif #r.old > 0 then
      call('HDEL', key, unpack(r.old))
    end
    local slot = r.at % RING
    call('HSET', key, 'at', text(r.at), 'r', text(r.requests), 't', text(r.tokens),
      'r' .. slot, text(r.bucket[1]), 't' .. slot, text(r.bucket[2]))
    -- Counted from the second's first call, it is still there when its second leaves the window.
    if not r.again then call('PEXPIRE', key, RING * 1000) end
  end
  if busies[i] then
    -- Leases of the dead are swept once a second, which is more than enough.
    if not r.again then call('ZREMRANGEBYSCORE', lease_key(i), '-inf', text(now)) end
    call('ZADD', lease_key(i), unpack(leases))
    if not r.again or busies[i] == #leases / 2 then call('PEXPIRE', lease_key(i), 86400000) end
  end
end
for i = 1, BUDGETS do
  call('HSET', budget_key(i), 'held', helds[i])
  if new[i] then begin_budget(i) end
end
call('HSET', OPEN, unpack(open))
call('ZADD', HOLDS, unpack(holds))
return answers
