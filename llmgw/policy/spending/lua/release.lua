-- Gives back what an operation that cost nothing had taken; one that was never admitted can no more be. That it was
-- asked still counts.
-- Own: tokens
local stood = standing()
local state = stood[1]
if state and state ~= 'held' then return {'AGAIN', state} end
if state then
  if call('HGET', OPEN, OP) ~= hold_text() then return {'MISMATCH'} end
  change_tokens(-tonumber(own(1)), stood)
  read_budgets()
  end_hold()
  write()
end
finish('released', nil, state)
return {'OK'}
