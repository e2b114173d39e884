-- KEYS: 3 records by id, 4 ids. ARGV: 4 id before the page, 5 its length.
local first = ARGV[4] == '' and '-' or '(' .. ARGV[4]
local values = {}
for at, id in ipairs(redis.call('ZRANGEBYLEX', KEYS[4], first, '+', 'LIMIT', 0, ARGV[5])) do
  values[at] = redis.call('HGET', KEYS[3], id)
end
return {now, values}
