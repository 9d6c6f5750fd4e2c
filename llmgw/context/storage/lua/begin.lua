-- Takes the lease of a context for one call, writes its input ahead, and answers with what the caller does not know.
-- KEYS hash turns replays replay-times in-flight orphans audit | ARGV op who if-match lease-ms known-turns known-epoch
-- input page key fingerprint trace n create-field…
local op, who, if_match = ARGV[1], ARGV[2], ARGV[3]
local lease_ms, known, known_epoch = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local input, page, key, fingerprint, trace = ARGV[7], tonumber(ARGV[8]), ARGV[9], ARGV[10], ARGV[11]
local now = now_ms()

-- All that is asked of the hash, in one command; the facts come last.
local function read()
  return call('HMGET', H, 'rev', 'turns', 'base', 'head', 'fence', 'lease', 'holder', 'epoch', 'trace', 'status',
    'created', 'updated', 'subject', 'policy', 'metadata', 'lineage', 'dek', 'toolset', 'bytes', 'salt', 'expires',
    'imported')
end

local h = read()
local status = h[10]
if not status then
  if ARGV[12] == '0' then return {'ABSENT'} end
  if call('EXISTS', KEYS[2]) == 1 then return {'TORN'} end
  call('HSET', H, 'maker', op, unpack(ARGV, 13, 12 + tonumber(ARGV[12])))
  audit(KEYS[7], who, 'create', 'ok', '0', '')
  h, status = read(), 'active'
end
if status == 'erased' or status == 'erasing' then return {'ERASED'} end
local turns, base = tonumber(h[2]), tonumber(h[3])
if turns - base ~= call('LLEN', KEYS[2]) then return {'TORN'} end

local again = '0'
if key ~= '' then
  local r = call('HMGET', KEYS[3], key .. ':print', key .. ':state', key .. ':op', key .. ':type', key .. ':body',
    key .. ':rev', key .. ':head')
  if r[1] then
    if r[1] ~= fingerprint then return {'REUSED'} end
    if r[2] == 'done' then return {'REPLAY', r[4] or '', r[5] or '', r[6] or '', r[7] or ''} end
    if h[7] == r[3] and tonumber(h[6]) > now then return {'IN_FLIGHT', tonumber(h[6]) - now} end
    again = '1'
  end
end
if status == 'quarantined' then return {'QUARANTINED'} end
if if_match ~= '' and if_match ~= h[1] .. '-' .. string.sub(h[4], 1, 16) then return {'MISMATCH', h[1], h[4]} end
if tonumber(h[6]) > now then
  audit(KEYS[7], who, 'begin', 'locked', h[1], op)
  return {'LOCKED', tonumber(h[6]) - now, turns}
end
if h[7] ~= '' then
  -- The holder before never came back. What it was asked is kept, for nobody has been answered.
  local lost = call('GET', KEYS[5])
  if lost then
    call('XADD', KEYS[6], 'MAXLEN', '~', '1000', '*', 'op', h[7], 'kind', 'abandoned', 'at', string.format('%d', now),
      'trace', h[9] or '', 'data', lost)
  end
end
local fence = string.format('%d', tonumber(h[5]) + 1)
call('HSET', H, 'fence', fence, 'lease', string.format('%d', now + lease_ms), 'holder', op, 'trace', trace)
call('SET', KEYS[5], input)
if key ~= '' then
  call('HSET', KEYS[3], key .. ':print', fingerprint, key .. ':state', 'flight', key .. ':op', op)
  call('ZADD', KEYS[4], now, key)
end
local expires = h[21]
if expires and expires ~= '0' then
  for i = 1, #KEYS do call('PEXPIREAT', KEYS[i], expires) end
end
local facts = {unpack(h, 11, 22)}
local from = known
if known < base or known > turns or known_epoch ~= h[8] then from = base end
local frames = {}
if from < turns then frames = call('LRANGE', KEYS[2], from - base, from - base + page - 1) end
return {'OK', again, fence, h[1], h[2], h[3], h[4], h[8], from, facts, frames}
