-- What some budgets say at one instant. KEYS epoch budget…
if redis.call('EXISTS', KEYS[1]) == 0 then return {'RESET'} end
local found = {'OK'}
for i = 2, #KEYS do found[i] = redis.call('HMGET', KEYS[i], 'spent', 'held') end
return found
