-- Notes what was proved up to a row, unless the books or the note are no longer as they were; rows only count up.
-- KEYS epoch proved | ARGV epoch row-before row sums
local call = redis.call
if call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local v = call('HMGET', KEYS[2], 'row', 'epoch')
if v[2] == ARGV[1] and (v[1] or '') ~= ARGV[2] then return 0 end
call('HSET', KEYS[2], 'row', ARGV[3], 'sums', ARGV[4], 'epoch', ARGV[1])
return 1
