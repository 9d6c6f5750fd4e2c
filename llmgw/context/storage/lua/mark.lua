-- Sets a context's status: quarantined, erasing, or active again; says which it was.
-- KEYS hash audit | ARGV who status detail
local status = call('HGET', H, 'status')
if not status or status == 'erased' then return status or '' end
call('HSET', H, 'status', ARGV[2])
call('HINCRBY', H, 'epoch', 1)
audit(KEYS[2], ARGV[1], ARGV[2], 'ok', call('HGET', H, 'rev'), ARGV[3])
return status
