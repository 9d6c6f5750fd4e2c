-- Writes an event down unless its fact was told before; both in one step, so that a marker never stands alone.
-- KEYS marker stream | ARGV marker-kept-ms stream-kept field value…
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', unpack(ARGV, 3))
return 1
