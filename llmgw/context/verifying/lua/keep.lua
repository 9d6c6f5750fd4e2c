-- Adds a call to a session: its new turns go to the end of the branch they continue, if that still is as it was read;
-- else, or for a course of its own, all of them to a slot that is free, or that of the branch used least lately.
-- KEYS index slots... | ARGV now ttl slot key_before bytes_before key_after meta turns last found answers
-- Returns the slot, or -1 where the branch has changed.
local call = redis.call
local I = KEYS[1]
local now, ttl, slot = ARGV[1], ARGV[2], tonumber(ARGV[3])

local function meta(number) return call('HGET', I, 'b' .. number) end
local function is_at(number, key)
  local known = meta(number)
  return known and string.sub(known, 1, #key) == key
end

if slot >= 0 then
  if not is_at(slot, ARGV[4]) or call('STRLEN', KEYS[slot + 2]) ~= tonumber(ARGV[5]) then return -1 end
  if #ARGV[8] > 0 then call('APPEND', KEYS[slot + 2], ARGV[8]) end
else
  local oldest
  for number = 0, #KEYS - 2 do
    local known = meta(number)
    if known and is_at(number, ARGV[6]) then slot = number break end
    local used = 0
    if known and call('EXISTS', KEYS[number + 2]) == 1 then used = tonumber(string.match(known, '(%d+)$')) end
    if not oldest or used < oldest then slot, oldest = number, used end
  end
  if oldest and oldest > 0 and not is_at(slot, ARGV[6]) then call('HINCRBY', I, 'evicted', 1) end
  call('SET', KEYS[slot + 2], ARGV[8])
end
call('HSETNX', I, 'made', now)
call('HINCRBY', I, 'calls', 1)
call('HSET', I, 'b' .. slot, ARGV[7], 'at', now, 'last', ARGV[9])
if #ARGV[10] > 0 then call('HSET', I, 'found', ARGV[10]) end
if #ARGV[11] > 0 then
  -- Of several answers to one call the caller goes on with one, whichever it is.
  local others = (call('HGET', I, 'others') or '') .. ARGV[11]
  call('HSET', I, 'others', string.sub(others, -4096))
end
call('PEXPIRE', I, ttl)
call('PEXPIRE', KEYS[slot + 2], ttl)
return slot
