-- Appends the turns of one call, if the call still holds the lease it began with; else keeps them aside.
-- KEYS hash turns in-flight orphans audit reports blobs [replays replay-times counts state forks] | ARGV op who trace
-- fence rev head own-turns new-head new-turns new-bytes ttl-ms toolset report render-name render key n-blobs blob… frame…
local op, who, rev, now = ARGV[1], ARGV[2], ARGV[5], now_ms()
local first = 18 + 2 * ARGV[17]
local h = call('HMGET', H, 'status', 'rev', 'head', 'fence', 'done', 'audit')
if not h[1] then return {'EXPIRED'} end
if h[5] == op then return {'OK', h[2]} end
if h[1] == 'erased' or h[1] == 'erasing' then return {'ERASED'} end
local at = string.format('%d', now)
if h[4] ~= ARGV[4] then
  -- It may be sent again, as its answer was not heard, after another call came.
  if call('LINDEX', KEYS[2], ARGV[7] + #ARGV - first) == ARGV[#ARGV] then return {'OK', rev + 1} end
  for i = first, #ARGV do
    call('XADD', KEYS[4], 'MAXLEN', '~', '1000', '*', 'op', op, 'kind', 'fenced', 'at', at, 'trace', ARGV[3],
      'data', ARGV[i])
  end
  audit(KEYS[5], who, 'commit', 'fenced', h[2], op)
  return {'FENCED', h[4]}
end
if h[2] ~= rev or h[3] ~= ARGV[6] then return {'MISMATCH', h[2], h[3]} end
-- At this revision all is as the call found it, so what it counted on from there is right.
if call('LLEN', KEYS[2]) ~= tonumber(ARGV[7]) then return {'TORN'} end
push_all(KEYS[2], first, #ARGV)
for i = 18, first - 1, 2 do call('HSETNX', KEYS[7], ARGV[i], ARGV[i + 1]) end
local number = rev + 1
local n = string.format('%d', number)
local link = audited(KEYS[5], h[6] or '', at, who, 'commit', 'ok', n, op)
local said = {'rev', n, 'turns', ARGV[9], 'bytes', ARGV[10], 'head', ARGV[8], 'lease', '0', 'holder', '', 'done', op,
  'updated', at, 'audit', link}
-- A call without tools leaves those that were offered before.
if ARGV[12] ~= '' then
  said[19], said[20] = 'toolset', ARGV[12]
end
call('HSET', H, unpack(said))
if ARGV[13] ~= '' and ARGV[14] ~= '' then
  call('HSET', KEYS[6], n, ARGV[13], ARGV[14], ARGV[15])
elseif ARGV[13] ~= '' then
  call('HSET', KEYS[6], n, ARGV[13])
elseif ARGV[14] ~= '' then
  call('HSET', KEYS[6], ARGV[14], ARGV[15])
end
-- A conversation may go on for ever; its reports must not.
if number > 1000 then call('HDEL', KEYS[6], string.format('%d', number - 1000)) end
local key = ARGV[16]
if key ~= '' then
  call('HSET', KEYS[8], key .. ':state', 'done', key .. ':rev', n, key .. ':head', ARGV[8])
  local old = call('ZRANGEBYSCORE', KEYS[9], '-inf', now - 86400000, 'LIMIT', 0, 32)
  for _, gone in ipairs(old) do
    call('HDEL', KEYS[8], gone .. ':print', gone .. ':state', gone .. ':op', gone .. ':type', gone .. ':body',
      gone .. ':rev', gone .. ':head')
    call('ZREM', KEYS[9], gone)
  end
end
call('DEL', KEYS[3])
if ARGV[11] ~= '0' then expire_all(tonumber(ARGV[11]), KEYS) end
return {'OK', n}
