-- How much waits in a stream. KEYS meta
-- Gives: rows, bytes, ms for which the oldest has waited, what keeps it waiting, whether there is a draft.
local known = redis.call('HMGET', KEYS[1], 'rows', 'bytes', 'since', 'halted', 'draft_last')
local rows, time = tonumber(known[1] or 0), redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local waited = 0
if rows > 0 then waited = math.max(0, now - tonumber(known[3] or now)) end
return {rows, tonumber(known[2] or 0), waited, known[4] or '', known[5] and 1 or 0}
