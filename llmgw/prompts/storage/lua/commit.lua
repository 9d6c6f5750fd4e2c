-- Puts a prompt as it shall be in the place of the one that was read, with one event of its audit, and tells the workers.
-- KEYS epoch generation changed heads prompt audit slugs | ARGV member stamp new-stamp info tenant audit-count event
-- event-digest channel new-epoch n-claimed n-released most-bytes claimed… released… field value…
local call = redis.call
local P = KEYS[5]
local claimed, released = tonumber(ARGV[11]), tonumber(ARGV[12])
local name = string.match(ARGV[1], '%z(.*)$')
if (call('HGET', P, 'stamp') or '') ~= ARGV[2] then return {'RACE'} end
if call('LLEN', KEYS[6]) ~= tonumber(ARGV[6]) then return {'RACE'} end
for i = 14, 13 + claimed do
  local owner = call('HGET', KEYS[7], ARGV[i])
  if owner and owner ~= name then return {'CLAIMED', ARGV[i], owner} end
end
local fields, bytes = 14 + claimed + released, 0
for i = fields, #ARGV, 2 do
  if string.sub(ARGV[i], 1, 2) == 'c:' then bytes = bytes + #ARGV[i + 1] end
end
if bytes > 0 and bytes + tonumber(call('HGET', P, 'bytes') or '0') > tonumber(ARGV[13]) then return {'FULL'} end
for i = 14 + claimed, 13 + claimed + released do
  if call('HGET', KEYS[7], ARGV[i]) == name then call('HDEL', KEYS[7], ARGV[i]) end
end
for i = 14, 13 + claimed do call('HSET', KEYS[7], ARGV[i], name) end
call('HSET', P, 'info', ARGV[4], 'stamp', ARGV[3])
for i = fields, #ARGV, 2 do call('HSET', P, ARGV[i], ARGV[i + 1]) end
if bytes > 0 then call('HINCRBY', P, 'bytes', bytes) end
call('RPUSH', KEYS[6], ARGV[7])
call('HSET', KEYS[4], ARGV[5], ARGV[8])
if ARGV[10] ~= '' then call('SET', KEYS[1], ARGV[10], 'NX') end
local generation = string.format('%d', call('INCR', KEYS[2]))
call('ZADD', KEYS[3], generation, ARGV[1])
call('PUBLISH', ARGV[9], generation)
return {'OK', generation}
