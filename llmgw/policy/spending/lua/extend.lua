-- Lengthens a hold and its leases from now on; they never become shorter. Own: hold-ms lease-ms has-lease…
if call('HGET', OPERATION, 's') ~= 'held' then return {'GONE'} end
call('ZADD', HOLDS, 'XX', 'GT', text(now + tonumber(own(1))), OP)
for i = 1, LIMITS do
  -- A lease that ran out counts again: its call is still under way.
  if own(2 + i) ~= '' then
    call('ZADD', lease_key(i), 'GT', text(now + tonumber(own(2))), OP)
    call('PEXPIRE', lease_key(i), 86400000)
  end
end
return {'OK'}
