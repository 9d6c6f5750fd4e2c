-- Charges the exact cost of each operation, once; after a hold that lapsed, what it differs by from what was charged.
-- One that fails leaves the others to their end.
-- Own: minute-ms hour-ms day-ms n-marks percent… (amount mark…)…budgets n-users (who n-dimensions dimension…)…
-- (op estimate cost token-change input-tokens output-tokens data too-late-at user)…
local function settle(at, user)
  local stood = standing()
  local state, charged, cost = stood[1], stood[2], own(at + 2)
  if state == 'settled' then return {'DUPLICATE'} end
  -- It may have been settled, and that been forgotten: nobody can tell any more.
  if not state and now >= tonumber(own(at + 7)) then return {'TOO_LATE'} end
  local held = state == 'held'
  if held and call('HGET', OPEN, OP) ~= hold_text() then return {'MISMATCH'} end
  local late = state == 'lapsed' or state == 'released'
  local amount = late and add(cost, negate(charged or '0')) or cost
  local spents = charge(late and 'adjustment' or 'settle', amount, own(user), own(at + 6), 4)
  -- What could not be charged keeps its hold, and is settled when it comes again.
  if held then
    change_tokens(tonumber(own(at + 3)), stood)
    end_hold()
  end
  use(user, charged and 0 or 1, amount, tonumber(own(at + 4)), tonumber(own(at + 5)))
  finish('settled', cost, held)
  return {late and 'ADJUSTED' or 'CHARGED', amount, spents}
end

read_budgets()
local marks = tonumber(own(4))
local at = 5 + marks + BUDGETS * (marks + 1)
local users = {}
for u = 1, tonumber(own(at)) do
  users[u] = at + 1
  at = at + 2 + tonumber(own(at + 2))
end
local answers, more = {'DONE'}, 8 + 2 * LIMITS + BUDGETS
at = at + 1
for k = 1, OPERATIONS do
  turn(own(at), k == 1 and KEYS[2] or KEYS[more + k], own(at + 1))
  local done, answer = pcall(settle, at, users[tonumber(own(at + 8))])
  answers[k + 1] = done and answer or {'FAILED'}
  at = at + 9
end
write()
roll(1)
return answers
