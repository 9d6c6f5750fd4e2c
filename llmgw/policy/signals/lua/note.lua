-- Writes down how far a webhook is, if the lease is still one's own. KEYS lease record | ARGV token field value…
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], unpack(ARGV, 2))
return 1
