-- Keeps the answer of a call for its idempotency key, as the bytes that are about to be sent.
-- KEYS hash replays | ARGV key op type body
if call('HGET', KEYS[2], ARGV[1] .. ':op') ~= ARGV[2] or call('HGET', H, 'status') ~= 'active' then return 0 end
call('HSET', KEYS[2], ARGV[1] .. ':type', ARGV[3], ARGV[1] .. ':body', ARGV[4])
return 1
