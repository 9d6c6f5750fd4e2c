-- Leaves nothing of a context but the fact that it was erased; answers with what there was.
-- KEYS hash turns replays replay-times in-flight orphans audit reports blobs counts state forks | ARGV who keep-ms
local h = call('HMGET', H, 'status', 'rev', 'head', 'turns', 'bytes', 'fence')
if not h[1] then return {'ABSENT'} end
if h[1] == 'erased' then return {'ERASED', call('HGET', H, 'receipt') or ''} end
local blobs, reports, orphans = call('HLEN', KEYS[9]), 0, call('XLEN', KEYS[6])
-- Beside the reports, by their revisions, lies what each provider was told last.
for _, field in ipairs(call('HKEYS', KEYS[8])) do if tonumber(field) then reports = reports + 1 end end
local replays, state = call('ZCARD', KEYS[4]), call('EXISTS', KEYS[11])
for i = 2, #KEYS do if i ~= 7 then call('UNLINK', KEYS[i]) end end
local audit_link = call('HGET', H, 'audit') or ''
call('DEL', H)
-- The fence goes on counting, so that a call under way cannot take its turn in what comes after.
call('HSET', H, 'status', 'erased', 'rev', h[2], 'head', h[3], 'turns', h[4], 'fence', string.format('%d', tonumber(h[6]) + 1),
  'audit', audit_link)
audit(KEYS[7], ARGV[1], 'erase', 'ok', h[2], '')
for _, key in ipairs({H, KEYS[7]}) do call('PEXPIRE', key, ARGV[2]) end
return {'OK', h[2], h[3], h[4], h[5] or '0', string.format('%d', blobs), string.format('%d', reports),
  string.format('%d', orphans), string.format('%d', replays), string.format('%d', state)}
