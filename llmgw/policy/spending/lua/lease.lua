-- Takes or keeps a lease for so many ms, unless another has it; 0 gives it back.
-- KEYS lease | ARGV holder ms
local call = redis.call
local holder = call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then call('DEL', KEYS[1]) else call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return 1
