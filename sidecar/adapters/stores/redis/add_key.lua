-- KEYS: 3 records by digest, 4 ids, 5 ids of the tenant. ARGV: 4 id, 5 digest, 6 value.
if redis.call('HEXISTS', KEYS[3], ARGV[5]) == 1 or member_of(KEYS[4], ARGV[4]) then
  return 0
end
local member = ARGV[4] .. '\0' .. ARGV[5]
redis.call('HSET', KEYS[3], ARGV[5], ARGV[6])
redis.call('ZADD', KEYS[4], 0, member)
redis.call('ZADD', KEYS[5], 0, member)
note('key', ARGV[4])
return 1
