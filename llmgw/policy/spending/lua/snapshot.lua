-- The books at one instant: where the ledger ends, what is open, what each budget says, and what was proved before.
-- KEYS epoch open index ledger base proved budget… | ARGV now
local call = redis.call
local epoch = call('GET', KEYS[1])
if not epoch then return {'RESET'} end
local last = call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)[1]
local budgets = {}
for i = 7, #KEYS do budgets[i - 6] = call('HMGET', KEYS[i], 'spent', 'held') end
return {'OK', last and last[1] or '', call('ZCOUNT', KEYS[3], '(' .. ARGV[1], '+inf'), call('HGETALL', KEYS[2]), budgets,
  epoch, call('HMGET', KEYS[5], 'row', 'sums'), call('HMGET', KEYS[6], 'row', 'sums', 'epoch')}
