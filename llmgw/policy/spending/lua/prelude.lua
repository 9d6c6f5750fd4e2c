-- What every step of a call begins with, behind ring.lua. One layout of KEYS and ARGV for all of them:
-- KEYS epoch op open holds index ledger minute hour day (rate leases)… budget… (op…) events
-- ARGV op now n-limits n-budgets estimate op-kept-ms (budget-name forget-at)… own…
-- A step of several operations, which have limits and budgets in common, goes from one to the next by `turn`.
-- Lua's numbers are doubles: money is never one. It is text, added in two parts of which each is exact.
local OP, LIMITS, BUDGETS, ESTIMATE = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local OPERATION, OPEN, HOLDS, INDEX, LEDGER = KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local EVENTS, EVENTS_KEPT = KEYS[#KEYS], 5000
local BASE = 1000000000

local function own(i) return ARGV[6 + 2 * BUDGETS + i] end
local function rate_key(i) return KEYS[8 + 2 * i] end
local function lease_key(i) return KEYS[9 + 2 * i] end
local function budget_key(i) return KEYS[9 + 2 * LIMITS + i] end
local function budget_name(i) return ARGV[5 + 2 * i] end
local function forget_at(i) return tonumber(ARGV[6 + 2 * i]) end
local format = string.format
local function text(number) return format('%d', number) end

-- No step is longer than there are keys, whatever a wrong argument says.
if not (LIMITS and BUDGETS) or 10 + 2 * LIMITS + BUDGETS > #KEYS then
  return redis.error_reply('ERR arguments that do not fit their keys')
end
local OPERATIONS = #KEYS - 9 - 2 * LIMITS - BUDGETS

local now
if ARGV[2] == '' then
  local t = call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
else
  now = tonumber(ARGV[2])
  -- Up to there seconds can be counted.
  if not now or now < 0 or now > 1e15 then return redis.error_reply('ERR no time') end
end

-- Two signed parts of a whole number in decimal digits: high * 10^9 + low.
local function split(s)
  local sign = 1
  if string.byte(s) == 45 then sign, s = -1, string.sub(s, 2) end
  if #s <= 9 then return 0, sign * tonumber(s) end
  return sign * tonumber(string.sub(s, 1, -10)), sign * tonumber(string.sub(s, -9))
end

-- The exact sum of two whole numbers of up to 24 digits: each high part stays far under 2^53.
local function add(a, b)
  if #a <= 15 and #b <= 15 then return text(tonumber(a) + tonumber(b)) end
  local high_a, low_a = split(a)
  local high_b, low_b = split(b)
  local low = low_a + low_b
  local carry = math.floor(low / BASE)
  local high = high_a + high_b + carry
  low = low - carry * BASE
  local sign = ''
  if high < 0 then
    sign = '-'
    if low > 0 then high, low = high + 1, low - BASE end
    high, low = -high, -low
  end
  if high == 0 then
    if low == 0 then return '0' end
    return sign .. text(low)
  end
  return sign .. text(high) .. format('%09d', low)
end

local function negate(s)
  if s == '0' then return s end
  if string.byte(s) == 45 then return string.sub(s, 2) end
  return '-' .. s
end

local function negative(s) return string.byte(s) == 45 end

local function turn(op, key, estimate) OP, OPERATION, ESTIMATE = op, key, estimate end

-- What stands in `open` for this operation: the hold, and what it lies on.
local function hold_text()
  local parts = {ESTIMATE}
  for i = 1, BUDGETS do parts[i + 1] = budget_name(i) end
  return table.concat(parts, ' ')
end

-- Once in a window's life, for its end never moves.
local function begin_budget(i)
  call('PEXPIRE', budget_key(i), text(math.max(forget_at(i) - now, 1000)))
  call('ZADD', INDEX, text(forget_at(i)), budget_name(i))
end

-- How the operation stands, what was charged for it, and the second in which each limit counted it.
local function standing()
  local names = {'s', 'c'}
  for i = 1, LIMITS do names[2 + i] = 'at' .. i end
  return call('HMGET', OPERATION, unpack(names))
end

-- What budgets and limits say is read once, changed in memory by each operation, and written once by `write`.
local budgets, rates, closed = {}, {}, {}

local function read_budgets()
  for i = 1, BUDGETS do
    local v = call('HMGET', budget_key(i), 'spent', 'held')
    budgets[i] = {spent = v[1], held = v[2], new = not v[1] and not v[2], kept = forget_at(i) > now}
  end
end

-- Ends the operation's hold and its leases.
local function end_hold()
  for i = 1, BUDGETS do
    local b = budgets[i]
    if b.held then b.held, b.given = add(b.held, negate(ESTIMATE)), true end
  end
  closed[#closed + 1] = OP
end

-- The tokens that were really used take the place of the expected ones, while their second still counts.
local function change_tokens(by, stood)
  if by == 0 then return end
  for i = 1, LIMITS do
    local at = tonumber(stood[2 + i])
    if at then
      local slot, r = 't' .. at % RING, rates[i]
      if not r then
        local v = call('HMGET', rate_key(i), 'at', 't', slot)
        r = {at = tonumber(v[1]), tokens = tonumber(v[2]), slots = {[slot] = tonumber(v[3]) or false}}
        rates[i] = r
      elseif r.slots[slot] == nil then
        r.slots[slot] = tonumber(call('HGET', rate_key(i), slot)) or false
      end
      local age, had = r.at and r.at - at, r.slots[slot]
      if age and age >= 0 and age < RING and had then
        local change = math.max(by, -had)
        r.tokens, r.slots[slot], r.changed = r.tokens + change, had + change, true
      end
    end
  end
end

local function write()
  for i = 1, BUDGETS do
    local b, cells = budgets[i], {}
    if b.charged then cells[1], cells[2] = 'spent', b.spent end
    if b.given then cells[#cells + 1], cells[#cells + 2] = 'held', b.held end
    if #cells > 0 then call('HSET', budget_key(i), unpack(cells)) end
    if b.charged and b.new then begin_budget(i) end
  end
  for i, r in pairs(rates) do
    if r.changed then
      local cells = {'t', text(r.tokens)}
      for slot, count in pairs(r.slots) do
        if count then cells[#cells + 1], cells[#cells + 2] = slot, text(count) end
      end
      call('HSET', rate_key(i), unpack(cells))
    end
  end
  if #closed > 0 then
    call('HDEL', OPEN, unpack(closed))
    call('ZREM', HOLDS, unpack(closed))
    for i = 1, LIMITS do call('ZREM', lease_key(i), unpack(closed)) end
  end
end

-- How the operation ended, for as long as somebody may say so again; the record of what was held is over.
local function finish(state, charged, held)
  if charged then
    call('HSET', OPERATION, 's', state, 'c', charged)
  else
    call('HSET', OPERATION, 's', state)
  end
  if held then call('HDEL', OPERATION, 'r') end
  call('PEXPIRE', OPERATION, ARGV[6])
end

local function plus(sums, name, calls, cost, input, output)
  local sum = sums[name]
  if sum then
    sum[1], sum[2], sum[3], sum[4] = sum[1] + calls, add(sum[2], cost), sum[3] + input, sum[4] + output
  else
    sums[name] = {calls, cost, input, output}
  end
end

-- What is to be added to the rollups, by whose use it was: calls, cost, input tokens and output tokens.
-- Own arguments at a user: who it is, the number of dimensions, the dimensions.
local used = {}
local function use(user, calls, cost, input, output) plus(used, user, calls, cost, input, output) end

-- Adds all that to each of the three rollups: one field of four numbers for each dimension. Of these only the cost can
-- grow past 15 digits. Own arguments at `first`: the rollups' lifetimes.
local function roll(first)
  local sums, names, cells = {}, {}, {}
  for user, sum in pairs(used) do
    for d = user + 2, user + 1 + tonumber(own(user + 1)) do plus(sums, own(d), unpack(sum)) end
  end
  for name in pairs(sums) do
    names[#names + 1] = name
    cells[2 * #names - 1] = name
  end
  if #names == 0 then return end
  for g = 1, 3 do
    local before = call('HMGET', KEYS[6 + g], unpack(names))
    for d = 1, #names do
      local sum = sums[names[d]]
      if before[d] then
        local n, c, i, o = string.match(before[d], '^(%d+) (%-?%d+) (%d+) (%d+)$')
        cells[2 * d] = format('%d %s %d %d', n + sum[1], add(c, sum[2]), i + sum[3], o + sum[4])
      else
        cells[2 * d] = format('%d %s %d %d', sum[1], sum[2], sum[3], sum[4])
      end
    end
    -- A window that was never written has no cell yet, so each gets a lifetime.
    if call('HSET', KEYS[6 + g], unpack(cells)) > 0 then call('PEXPIRE', KEYS[6 + g], own(first + g - 1)) end
  end
end

-- Whether one whole number is at least another, neither of them negative.
local function reaches(a, b) return #a > #b or #a == #b and a >= b end

-- Writes an event for each mark that a budget's spent amount went over: in the step that took it over, so that none is
-- lost, and once for each window and amount, though an adjustment should take it down and a call up again.
-- Own arguments at `at`: the number of marks, the percentages, and for each budget its amount and its marks.
local function tell(i, before, after, at)
  local marks = tonumber(own(at))
  local amounts = at + marks + 1 + (i - 1) * (marks + 1)
  for m = 1, marks do
    local mark = own(amounts + m)
    if reaches(after, mark) and not reaches(before, mark) then
      local percent, amount = own(at + m), own(amounts)
      local told = call('HGET', budget_key(i), 'told' .. percent)
      if told ~= amount then
        call('HSET', budget_key(i), 'told' .. percent, amount)
        local id = 'budget:' .. budget_name(i) .. ':' .. percent
        if told then id = id .. '@' .. amount end
        call('XADD', EVENTS, 'MAXLEN', '~', EVENTS_KEPT, '*', 'id', id, 'kind', 'budget.threshold', 'at', text(now),
          'subject', budget_name(i), 'percent', percent, 'spent_nano', after, 'amount_nano', amount)
      end
    end
  end
end

-- Charges an amount, which may be negative, to every budget whose window is still kept, and posts its one row. Returns
-- what each budget has spent by then, '' for a window that is not kept. Own arguments at `at`: the marks.
local function charge(kind, amount, who, data, at)
  local names, spents = {}, {}
  for i = 1, BUDGETS do
    spents[i] = ''
    if budgets[i].kept then names[#names + 1] = budget_name(i) end
  end
  -- First, so that nothing is charged of which there is no row.
  call('XADD', LEDGER, '*', 'op', OP, 'kind', kind, 'cost', amount, 'budgets', table.concat(names, ' '),
    'at', text(now), 'who', who, 'data', data)
  local rising = amount ~= '0' and not negative(amount)
  for i = 1, BUDGETS do
    local b = budgets[i]
    if b.kept then
      local before = b.spent or '0'
      b.spent, b.charged = add(before, amount), true
      spents[i] = b.spent
      if rising then tell(i, before, b.spent, at) end
    end
  end
  return spents
end

if call('EXISTS', KEYS[1]) == 0 then return {'RESET'} end
