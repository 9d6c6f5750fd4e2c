-- Makes a worker the one that writes segments: the steps of all before it are refused from now on.
-- KEYS meta | ARGV origin
-- Gives: fence, origin, whether there is a draft.
redis.call('HSETNX', KEYS[1], 'origin', ARGV[1])
local fence = redis.call('HINCRBY', KEYS[1], 'fence', 1)
return {fence, redis.call('HGET', KEYS[1], 'origin'), redis.call('HEXISTS', KEYS[1], 'draft_last')}
