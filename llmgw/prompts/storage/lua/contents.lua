-- Answers with the contents of versions, one after the other, until they are many bytes; always with the first.
-- KEYS prompt… | ARGV most-bytes n-hashes-of-the-first hash… n-hashes-of-the-second hash…
local most, bytes, at = tonumber(ARGV[1]), 0, 2
local found = {}
for i = 1, #KEYS do
  local count = tonumber(ARGV[at])
  for j = at + 1, at + count do
    if bytes > most then return found end
    local content = redis.call('HGET', KEYS[i], 'c:' .. ARGV[j])
    found[#found + 1] = content or false
    bytes = bytes + (content and #content or 0) + 64
  end
  at = at + count + 1
end
return found
