-- Adds up what a worker has counted, once: a batch whose number was seen before changes nothing.
-- KEYS flushed hash… | ARGV batch keep-ms (for each hash: lives-ms n-sums, each: prefix key-id key-name calls failed
-- invalid-outputs input-tokens output-tokens duration-ms last-ms)
local call = redis.call
if tonumber(call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then return 0 end
call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local names = {'calls', 'failed', 'invalid_outputs', 'input_tokens', 'output_tokens', 'duration_ms'}
local at = 3
for i = 2, #KEYS do
  local lives, count = ARGV[at], tonumber(ARGV[at + 1])
  at = at + 2
  for _ = 1, count do
    local prefix = ARGV[at]
    if ARGV[at + 1] ~= '' then call('HSET', KEYS[i], 'k|' .. ARGV[at + 1], ARGV[at + 2]) end
    for j, name in ipairs(names) do
      if ARGV[at + 2 + j] ~= '0' then call('HINCRBY', KEYS[i], prefix .. name, ARGV[at + 2 + j]) end
    end
    local last = ARGV[at + 9]
    if tonumber(last) > tonumber(call('HGET', KEYS[i], prefix .. 'last_ms') or '0') then
      call('HSET', KEYS[i], prefix .. 'last_ms', last)
    end
    at = at + 10
  end
  call('PEXPIRE', KEYS[i], lives)
end
return 1
