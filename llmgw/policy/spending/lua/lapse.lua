-- Ends a hold whose time is over, once: gives it back, or charges it, as its reservation says.
-- Own: policy minute-ms hour-ms day-ms n-marks percent… (amount mark…)…budgets n-users who n-dimensions dimension…
if call('HGET', OPERATION, 's') ~= 'held' then return {'AGAIN'} end
local expires = call('ZSCORE', HOLDS, OP)
if expires and tonumber(expires) > now then return {'EARLY'} end
if call('HGET', OPEN, OP) ~= hold_text() then return {'MISMATCH'} end
end_leases()
if own(1) == 'charge_estimate' then
  close_hold()
  local marks = tonumber(own(5))
  local user = 7 + marks + BUDGETS * (marks + 1)
  charge('lapse', ESTIMATE, own(user), '', 5, true)
  use(user, 1, ESTIMATE, 0, 0)
  roll(2)
  finish('lapsed', ESTIMATE, true)
  return {'CHARGED'}
end
end_hold()
finish('lapsed', nil, true)
return {'RELEASED'}
