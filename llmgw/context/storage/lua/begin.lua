-- Takes the lease of a context for one call, writes its input ahead, and answers with what the caller does not know.
-- KEYS hash turns in-flight orphans audit [replays replay-times] | ARGV op who trace lease-ms input if-match known-turns
-- known-epoch known-rev known-head page key fingerprint create-field…
local op, who, trace, if_match, key = ARGV[1], ARGV[2], ARGV[3], ARGV[6], ARGV[12]
local now = now_ms()

local function read()
  return call('HMGET', H, 'status', 'rev', 'turns', 'base', 'head', 'fence', 'lease', 'holder', 'epoch', 'expires')
end

local h = read()
if not h[1] then
  if #ARGV == 13 then return {'ABSENT'} end
  if call('EXISTS', KEYS[2]) == 1 then return {'TORN'} end
  call('HSET', H, 'maker', op, unpack(ARGV, 14))
  audit(KEYS[5], who, 'create', 'ok', '0', '')
  h = read()
end
local status, rev, turns, base, head = h[1], h[2], tonumber(h[3]), tonumber(h[4]), h[5]
local lease, holder, epoch, expires = tonumber(h[7]), h[8], h[9], h[10]
if status == 'erased' or status == 'erasing' then return {'ERASED'} end
if turns - base ~= call('LLEN', KEYS[2]) then return {'TORN'} end

local again = '0'
if key ~= '' then
  local r = call('HMGET', KEYS[6], key .. ':print', key .. ':state', key .. ':op', key .. ':type', key .. ':body',
    key .. ':rev', key .. ':head')
  if r[1] then
    if r[1] ~= ARGV[13] then return {'REUSED'} end
    if r[2] == 'done' then return {'REPLAY', r[4] or '', r[5] or '', r[6] or '', r[7] or ''} end
    if holder == r[3] and lease > now then return {'IN_FLIGHT', lease - now} end
    again = '1'
  end
end
if status == 'quarantined' then return {'QUARANTINED'} end
if if_match ~= '' and if_match ~= rev .. '-' .. string.sub(head, 1, 16) then return {'MISMATCH', rev, head} end
if lease > now then
  audit(KEYS[5], who, 'begin', 'locked', rev, op)
  return {'LOCKED', lease - now, turns}
end
if holder ~= '' then
  -- The holder before never came back. What it was asked is kept, for nobody has been answered.
  local lost = call('GET', KEYS[3])
  if lost then
    call('XADD', KEYS[4], 'MAXLEN', '~', '1000', '*', 'op', holder, 'kind', 'abandoned', 'at', string.format('%d', now),
      'trace', call('HGET', H, 'trace') or '', 'data', lost)
  end
end
local fence = string.format('%d', tonumber(h[6]) + 1)
call('HSET', H, 'fence', fence, 'lease', string.format('%d', now + tonumber(ARGV[4])), 'holder', op, 'trace', trace)
call('SET', KEYS[3], ARGV[5])
if key ~= '' then
  call('HSET', KEYS[6], key .. ':print', ARGV[13], key .. ':state', 'flight', key .. ':op', op)
  call('ZADD', KEYS[7], now, key)
end
if expires and expires ~= '0' then
  for i = 1, #KEYS do call('PEXPIREAT', KEYS[i], expires) end
end
-- Most calls continue what their worker knows: where that is all there is, there is nothing to tell it.
if rev == ARGV[9] and head == ARGV[10] and epoch == ARGV[8] and h[3] == ARGV[7] then
  return {'OK', again, fence, expires or '0'}
end
local from = tonumber(ARGV[7])
if from < base or from > turns or epoch ~= ARGV[8] then from = base end
local frames = {}
if from < turns then frames = call('LRANGE', KEYS[2], from - base, from - base + ARGV[11] - 1) end
return {'OK', again, fence, expires or '0', rev, h[3], h[4], head, epoch, from, facts(), frames}
