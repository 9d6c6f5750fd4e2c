-- Notes in a context that another begins in it, if it may; answers with what the other needs to know.
-- KEYS hash turns forks audit | ARGV who child at
local status = call('HGET', H, 'status')
if not status then return {'ABSENT'} end
if status == 'erased' or status == 'erasing' then return {'ERASED'} end
if status == 'quarantined' then return {'QUARANTINED'} end
local h = call('HMGET', H, 'rev', 'turns', 'base', 'head', 'epoch', 'created', 'updated', 'subject', 'policy',
  'metadata', 'lineage', 'dek', 'toolset', 'bytes', 'salt', 'expires', 'imported')
local at = ARGV[3] == '' and tonumber(h[2]) or tonumber(ARGV[3])
if at > tonumber(h[2]) then return {'BEYOND', h[2]} end
call('SADD', KEYS[3], ARGV[2])
if h[16] and h[16] ~= '0' then call('PEXPIREAT', KEYS[3], h[16]) end
audit(KEYS[4], ARGV[1], 'fork', 'ok', h[1], ARGV[2])
local frame = ''
if at > tonumber(h[3]) then frame = call('LINDEX', KEYS[2], at - 1 - tonumber(h[3])) end
return {'OK', string.format('%d', at), frame, h}
