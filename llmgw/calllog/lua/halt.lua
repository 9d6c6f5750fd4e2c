-- Notes why no segment can be written, for those whose events are dropped meanwhile. KEYS meta | ARGV fence reason
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'halted', ARGV[2])
return 1
