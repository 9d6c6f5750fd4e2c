-- Answers with a context's facts and its turns from a place on; notes who looked.
-- KEYS hash turns audit | ARGV who op purpose from count
local status = call('HGET', H, 'status')
if not status then return {'ABSENT'} end
local h = call('HMGET', H, 'rev', 'turns', 'base', 'head', 'epoch')
if status == 'erased' or status == 'erasing' then return {'ERASED'} end
local turns, base = tonumber(h[2]), tonumber(h[3])
if turns - base ~= call('LLEN', KEYS[2]) then return {'TORN'} end
if ARGV[2] ~= '' then audit(KEYS[3], ARGV[1], ARGV[2], 'ok', h[1], ARGV[3]) end
local from, count = math.max(tonumber(ARGV[4]), base), tonumber(ARGV[5])
local frames = {}
if count > 0 and from < turns then frames = call('LRANGE', KEYS[2], from - base, from - base + count - 1) end
return {'OK', status, h[1], h[2], h[3], h[4], h[5], from, facts(), frames}
