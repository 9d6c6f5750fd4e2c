-- Charges the exact cost of an operation, once; after a hold that lapsed, what it differs by from what was charged.
-- Own: cost token-change input-tokens output-tokens who data too-late-at minute-ms hour-ms day-ms n-dimensions dimension…
-- n-marks percent… (amount mark…)…budgets
local stood = standing()
local state, charged = stood[1], stood[2]
if state == 'settled' then return {'DUPLICATE'} end
-- It may have been settled, and that been forgotten: nobody can tell any more.
if not state and now >= tonumber(own(7)) then return {'TOO_LATE'} end
local counts = {charged and '0' or '1', own(3), own(4)}

local held = state == 'held'
if held then
  if call('HGET', OPEN, OP) ~= hold_text() then return {'MISMATCH'} end
  change_tokens(tonumber(own(2)), stood)
  close_hold()
  end_leases()
end
local late = state == 'lapsed' or state == 'released'
local amount = late and add(own(1), negate(charged or '0')) or own(1)
local spents = charge(late and 'adjustment' or 'settle', amount, counts, own(5), own(6), 8, held)
finish('settled', own(1), held)
return {late and 'ADJUSTED' or 'CHARGED', amount, spents}
