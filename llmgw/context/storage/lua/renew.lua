-- Lets a lease run on; 0 says that it is another's by now.
-- KEYS hash | ARGV op fence lease-ms
if call('HGET', H, 'fence') ~= ARGV[2] or call('HGET', H, 'holder') ~= ARGV[1] then return 0 end
call('HSET', H, 'lease', string.format('%d', now_ms() + tonumber(ARGV[3])))
return 1
