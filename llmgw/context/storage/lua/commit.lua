-- Appends the turns of one call, if the call still holds the lease it began with; else keeps them aside.
-- KEYS hash turns replays replay-times in-flight orphans audit reports blobs counts state forks | ARGV op who fence
-- rev head new-head bytes ttl-ms toolset report key n-blobs render-name
-- render trace blob… frame…
local op, who, fence, rev, head = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local key, blobs = ARGV[11], tonumber(ARGV[12])
local first = 16 + 2 * blobs
local h = call('HMGET', H, 'status', 'rev', 'head', 'fence', 'done', 'turns', 'base', 'bytes', 'audit')
if not h[1] then return {'EXPIRED'} end
if h[5] == op then return {'OK', h[2]} end
if h[1] == 'erased' or h[1] == 'erasing' then return {'ERASED'} end
if h[4] ~= fence then
  local at = string.format('%d', now_ms())
  for i = first, #ARGV do
    call('XADD', KEYS[6], 'MAXLEN', '~', '1000', '*', 'op', op, 'kind', 'fenced', 'at', at, 'trace', ARGV[15],
      'data', ARGV[i])
  end
  audit(KEYS[7], who, 'commit', 'fenced', h[2], op)
  return {'FENCED', h[4]}
end
if h[2] ~= rev or h[3] ~= head then return {'MISMATCH', h[2], h[3]} end
if tonumber(h[6]) - tonumber(h[7]) ~= call('LLEN', KEYS[2]) then return {'TORN'} end
push_all(KEYS[2], first, #ARGV)
for i = 16, first - 1, 2 do call('HSETNX', KEYS[9], ARGV[i], ARGV[i + 1]) end
local number = tonumber(rev) + 1
local n, now = string.format('%d', number), string.format('%d', now_ms())
local link = audited(KEYS[7], h[9] or '', now, who, 'commit', 'ok', n, op)
local said = {'rev', n, 'turns', string.format('%d', tonumber(h[6]) + #ARGV - first + 1), 'bytes',
  string.format('%d', tonumber(h[8] or 0) + tonumber(ARGV[7])), 'head', ARGV[6], 'lease', '0', 'holder', '',
  'done', op, 'updated', now, 'audit', link, 'toolset', ARGV[9]}
-- A call without tools leaves those that were offered before.
call('HSET', H, unpack(said, 1, ARGV[9] ~= '' and #said or #said - 2))
if ARGV[10] ~= '' and ARGV[13] ~= '' then
  call('HSET', KEYS[8], n, ARGV[10], ARGV[13], ARGV[14])
elseif ARGV[10] ~= '' then
  call('HSET', KEYS[8], n, ARGV[10])
elseif ARGV[13] ~= '' then
  call('HSET', KEYS[8], ARGV[13], ARGV[14])
end
-- A conversation may go on for ever; its reports must not.
if number > 1000 then call('HDEL', KEYS[8], string.format('%d', number - 1000)) end
if key ~= '' then
  call('HSET', KEYS[3], key .. ':state', 'done', key .. ':rev', n, key .. ':head', ARGV[6])
  local old = call('ZRANGEBYSCORE', KEYS[4], '-inf', tonumber(now) - 86400000, 'LIMIT', 0, 32)
  for _, gone in ipairs(old) do
    call('HDEL', KEYS[3], gone .. ':print', gone .. ':state', gone .. ':op', gone .. ':type', gone .. ':body',
      gone .. ':rev', gone .. ':head')
    call('ZREM', KEYS[4], gone)
  end
end
call('DEL', KEYS[5])
if ARGV[8] ~= '0' then expire_all(tonumber(ARGV[8]), KEYS) end
return {'OK', n}
