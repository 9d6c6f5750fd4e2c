-- Makes a context that is not there yet.
-- KEYS hash turns audit | ARGV who ttl-ms field…
if call('EXISTS', H) == 1 then
  local status = call('HGET', H, 'status')
  return {(status == 'erased' or status == 'erasing') and 'ERASED' or 'EXISTS'}
end
if call('EXISTS', KEYS[2]) == 1 then return {'TORN'} end
call('HSET', H, unpack(ARGV, 3))
audit(KEYS[3], ARGV[1], 'create', 'ok', '0', '')
if ARGV[2] ~= '0' then expire_all(tonumber(ARGV[2]), KEYS) end
return {'OK'}
