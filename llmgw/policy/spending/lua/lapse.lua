-- Ends a hold whose time is over, once: gives it back, or charges it, as its reservation says.
-- Own: policy minute-ms hour-ms day-ms n-marks percent… (amount mark…)…budgets n-users who n-dimensions dimension…
if call('HGET', OPERATION, 's') ~= 'held' then return {'AGAIN'} end
local expires = call('ZSCORE', HOLDS, OP)
if expires and tonumber(expires) > now then return {'EARLY'} end
if call('HGET', OPEN, OP) ~= hold_text() then return {'MISMATCH'} end
read_budgets()
end_hold()
if own(1) == 'charge_estimate' then
  local marks = tonumber(own(5))
  local user = 7 + marks + BUDGETS * (marks + 1)
  charge('lapse', ESTIMATE, own(user), '', 5)
  use(user, 1, ESTIMATE, 0, 0)
  write()
  roll(2)
  finish('lapsed', ESTIMATE, true)
  return {'CHARGED'}
end
write()
finish('lapsed', nil, true)
return {'RELEASED'}
