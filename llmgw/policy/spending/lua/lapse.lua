-- Ends a hold whose time is over, once: gives it back, or charges it, as its reservation says.
-- Own: policy who minute-ms hour-ms day-ms n-dimensions dimension…
-- n-marks percent… (amount mark…)…budgets
if call('HGET', OPERATION, 's') ~= 'held' then return {'AGAIN'} end
local expires = call('ZSCORE', HOLDS, OP)
if expires and tonumber(expires) > now then return {'EARLY'} end
if call('HGET', OPEN, OP) ~= hold_text() then return {'MISMATCH'} end
end_leases()
if own(1) == 'charge_estimate' then
  close_hold()
  charge('lapse', ESTIMATE, {'1', '0', '0'}, own(2), '', 3, true)
  finish('lapsed', ESTIMATE, true)
  return {'CHARGED'}
end
end_hold()
finish('lapsed', nil, true)
return {'RELEASED'}
