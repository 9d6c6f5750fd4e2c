-- Reads batches for a segment: of the draft there is, or the next ones, which are the draft from then on.
-- KEYS stream meta | ARGV fence after ('' to take more into the draft) max-bytes
-- Gives: id, rows, bytes, lines, id, …; nothing where another worker has taken over.
local known = redis.call('HMGET', KEYS[2], 'fence', 'draft_last', 'cursor')
if known[1] ~= ARGV[1] then return false end
local more = ARGV[2] == ''
if not more and not known[2] then return {} end
local after = more and (known[2] or known[3] or '0-0') or ARGV[2]
local last = more and '+' or known[2]
local found, size = {}, 0
while size < tonumber(ARGV[3]) do
  local batch = redis.call('XRANGE', KEYS[1], '(' .. after, last, 'COUNT', 1)[1]
  if not batch then break end
  after, size = batch[1], size + tonumber(batch[2][4])
  for _, each in ipairs({batch[1], batch[2][2], batch[2][4], batch[2][6]}) do found[#found + 1] = each end
end
if more and #found > 0 then redis.call('HSET', KEYS[2], 'draft_last', after) end
return found
