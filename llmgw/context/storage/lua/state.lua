-- Puts a new state document in the place of the one the caller saw.
-- KEYS hash state audit | ARGV who seen new
local status = call('HGET', H, 'status')
if not status then return {'ABSENT'} end
if status ~= 'active' then return {status == 'quarantined' and 'QUARANTINED' or 'ERASED'} end
local there = call('GET', KEYS[2]) or ''
if there ~= ARGV[2] then return {'MISMATCH'} end
call('SET', KEYS[2], ARGV[3])
local expires = call('HGET', H, 'expires')
if expires and expires ~= '0' then call('PEXPIREAT', KEYS[2], expires) end
audit(KEYS[3], ARGV[1], 'state', 'ok', call('HGET', H, 'rev'), '')
return {'OK'}
