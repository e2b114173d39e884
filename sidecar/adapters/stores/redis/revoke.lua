-- KEYS: 3 revocations by number, 4 numbers by end. ARGV: 4 end in Unix seconds, 5 record.
for _, number in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, 100)) do
  redis.call('ZREMRANGEBYSCORE', KEYS[3], number, number)
  redis.call('ZREM', KEYS[4], number)
end
local number = redis.call('HINCRBY', KEYS[1], 'revocation', 1)
redis.call('ZADD', KEYS[3], number, number .. '|' .. ARGV[5])
redis.call('ZADD', KEYS[4], ARGV[4], number)
note('revocation', tostring(number))
return 1
