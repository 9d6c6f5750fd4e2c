-- Puts other frames in the place of some, or of all: a redaction, or a history copied from where it was kept.
-- KEYS hash turns audit | ARGV who op epoch rev head new-head base lineage n index… frame…
local h = call('HMGET', H, 'status', 'rev', 'head', 'epoch', 'lease')
if not h[1] then return {'ABSENT'} end
if h[1] == 'erased' or h[1] == 'erasing' then return {'ERASED'} end
if tonumber(h[5]) > now_ms() then return {'LOCKED', tonumber(h[5]) - now_ms()} end
if h[4] ~= ARGV[3] or h[2] ~= ARGV[4] or h[3] ~= ARGV[5] then return {'MISMATCH', h[2], h[3]} end
local n = tonumber(ARGV[9])
if n > 0 then
  local base = tonumber(call('HGET', H, 'base'))
  for i = 1, n do call('LSET', KEYS[2], tonumber(ARGV[9 + i]) - base, ARGV[9 + n + i]) end
else
  call('DEL', KEYS[2])
  push_all(KEYS[2], 10, #ARGV)
  call('HSET', H, 'base', ARGV[7], 'turns', tostring(tonumber(ARGV[7]) + #ARGV - 9), 'lineage', ARGV[8])
  local expires = call('HGET', H, 'expires')
  if expires and expires ~= '0' then call('PEXPIREAT', KEYS[2], expires) end
end
call('HSET', H, 'head', ARGV[6])
call('HINCRBY', H, 'epoch', 1)
-- A call whose lease ran out goes on from what is not there any more.
call('HINCRBY', H, 'fence', 1)
local rev = call('HINCRBY', H, 'rev', 1)
audit(KEYS[3], ARGV[1], ARGV[2], 'ok', string.format('%d', rev), '')
return {'OK', string.format('%d', rev)}
