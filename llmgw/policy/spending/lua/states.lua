-- How operations stand: held, settled, lapsed or released; '' where nothing is known. KEYS op…
local found = {}
for i = 1, #KEYS do found[i] = redis.call('HGET', KEYS[i], 's') or '' end
return found
