-- What every script of a context begins with. KEYS[1] is the context's hash. Frames, bodies and documents pass through
-- as the bytes they are: nothing here encodes or decodes a caller's JSON.
local call = redis.call
local H = KEYS[1]

local function now_ms()
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- What a context's hash says besides its revision, in the order in which it is answered.
local function facts()
  return call('HMGET', H, 'created', 'updated', 'subject', 'policy', 'metadata', 'lineage', 'dek', 'toolset', 'bytes',
    'salt', 'expires', 'imported')
end

-- One entry of the access audit, chained to the one before it by a digest, which whoever calls writes into the hash.
local function audited(key, before, at, who, op, outcome, rev, detail)
  local link = redis.sha1hex(table.concat({before, at, who, op, outcome, rev, detail}, '\n'))
  call('XADD', key, 'MAXLEN', '~', '10000', '*', 'at', at, 'who', who, 'op', op, 'outcome', outcome, 'rev', rev,
    'detail', detail, 'link', link)
  return link
end

local function audit(key, who, op, outcome, rev, detail)
  local before, at = call('HGET', H, 'audit') or '', string.format('%d', now_ms())
  call('HSET', H, 'audit', audited(key, before, at, who, op, outcome, rev, detail))
end

-- The same instant for everything that belongs to the context, or parts of it would outlive others.
local function expire_all(ttl_ms, keys)
  local at = now_ms() + ttl_ms
  call('HSET', H, 'expires', string.format('%d', at))
  for i = 1, #keys do call('PEXPIREAT', keys[i], string.format('%d', at)) end
end

local function push_all(key, from, to)
  for i = from, to, 4000 do call('RPUSH', key, unpack(ARGV, i, math.min(i + 3999, to))) end
end
