-- Notes which segment is about to be made of others, before it is; '' for none. KEYS meta | ARGV fence name
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'joining', ARGV[2])
return 1
