-- Puts a sum in the place of the rows up to one, unless others were trimmed meanwhile.
-- KEYS ledger base | ARGV row-before row first-kept sums
local call = redis.call
if (call('HGET', KEYS[2], 'row') or '') ~= ARGV[1] then return -1 end
call('HSET', KEYS[2], 'row', ARGV[2], 'sums', ARGV[4])
return call('XTRIM', KEYS[1], 'MINID', '=', ARGV[3])
