-- KEYS: 3 records by digest, 4 ids, of all or of a tenant. ARGV: 4 id before the page, 5 its length.
local first = ARGV[4] == '' and '-' or '(' .. ARGV[4] .. '\1'
local values = {}
for at, member in ipairs(redis.call('ZRANGEBYLEX', KEYS[4], first, '+', 'LIMIT', 0, ARGV[5])) do
  values[at] = redis.call('HGET', KEYS[3], digest_in(member))
end
return values
