-- The books at one instant: where the ledger ends, what is open, and what each budget says.
-- KEYS epoch open index ledger budget… | ARGV now
local call = redis.call
if call('EXISTS', KEYS[1]) == 0 then return {'RESET'} end
local last = call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)[1]
local budgets = {}
for i = 5, #KEYS do budgets[i - 4] = call('HMGET', KEYS[i], 'spent', 'held') end
return {'OK', last and last[1] or '', call('ZCOUNT', KEYS[3], '(' .. ARGV[1], '+inf'), call('HGETALL', KEYS[2]), budgets}
