-- Reads windows of usage until so many fields were looked at; says of how many windows, then each as name, cell….
-- KEYS window… | ARGV most prefix name…; with names only those, which end in what follows the prefix.
local call, prefix, found, seen = redis.call, ARGV[2], {0}, 0
local names = {}
for i = 3, #ARGV do names[i - 2] = prefix .. ARGV[i] end
for k = 1, #KEYS do
  if seen >= tonumber(ARGV[1]) then break end
  local cells = {}
  if #names > 0 then
    local v = call('HMGET', KEYS[k], unpack(names))
    for i = 1, #names do
      if v[i] then
        cells[#cells + 1] = ARGV[i + 2]
        cells[#cells + 1] = v[i]
      end
    end
    seen = seen + #names
  else
    local v = call('HGETALL', KEYS[k])
    for i = 1, #v, 2 do
      if string.sub(v[i], 1, #prefix) == prefix then
        cells[#cells + 1] = string.sub(v[i], #prefix + 1)
        cells[#cells + 1] = v[i + 1]
      end
    end
    seen = seen + #v / 2
  end
  found[1] = k
  found[k + 1] = cells
end
return found
