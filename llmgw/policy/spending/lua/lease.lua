-- Takes, keeps or leaves a lease, unless another has it: from now on `next` has it, for so many ms; 0 gives it back.
-- KEYS lease | ARGV holder next ms
local call = redis.call
local holder = call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[3] == '0' then call('DEL', KEYS[1]) else call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
