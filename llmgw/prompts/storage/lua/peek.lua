-- Answers with a prompt as it is, and with the end of its tenant's audit.
-- KEYS prompt audit heads | ARGV tenant
local p = redis.call('HMGET', KEYS[1], 'info', 'stamp')
return {p[1], p[2], redis.call('LLEN', KEYS[2]), redis.call('HGET', KEYS[3], ARGV[1])}
