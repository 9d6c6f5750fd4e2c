-- Puts a sum in the place of the rows up to one, unless others were put there meanwhile; the rows themselves go after it.
-- KEYS base | ARGV row-before row sums
local call = redis.call
if (call('HGET', KEYS[1], 'row') or '') ~= ARGV[1] then return -1 end
call('HSET', KEYS[1], 'row', ARGV[2], 'sums', ARGV[3])
return 1
