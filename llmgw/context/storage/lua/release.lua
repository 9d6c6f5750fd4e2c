-- Gives back the lease of a call that stored nothing; a call that lost it changes nothing. Without a fence it is that of
-- a call that never heard whether it got one.
-- KEYS hash replays replay-times in-flight audit | ARGV op who fence key outcome
if call('HGET', H, 'holder') ~= ARGV[1] then return 0 end
if ARGV[3] ~= '' and call('HGET', H, 'fence') ~= ARGV[3] then return 0 end
call('HSET', H, 'lease', '0', 'holder', '')
call('DEL', KEYS[4])
local key = ARGV[4]
if key ~= '' then
  call('HDEL', KEYS[2], key .. ':print', key .. ':state', key .. ':op')
  call('ZREM', KEYS[3], key)
end
local h = call('HMGET', H, 'rev', 'maker')
if h[1] == '0' and h[2] == ARGV[1] then
  -- The call made the context and left nothing in it: nobody knows of it.
  call('DEL', unpack(KEYS))
  return 1
end
audit(KEYS[5], ARGV[2], 'release', ARGV[5], h[1], ARGV[1])
return 1
