-- Answers for each prompt whether it is there, and as it is where its stamp is not the one that is known.
-- KEYS prompt… | ARGV stamp…
local found = {}
for i = 1, #KEYS do
  local stamp = redis.call('HGET', KEYS[i], 'stamp')
  if not stamp then
    found[i] = {}
  elseif stamp == ARGV[i] then
    found[i] = {stamp}
  else
    found[i] = {stamp, redis.call('HGET', KEYS[i], 'info')}
  end
end
return found
