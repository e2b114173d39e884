-- KEYS: 3 domains of the project by the time they were seen. ARGV: 4 domain, 5 cap, 6 window.
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', tonumber(now) - tonumber(ARGV[6]))
if not redis.call('ZSCORE', KEYS[3], ARGV[4])
  and redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[5]) then
  return 0
end
redis.call('ZADD', KEYS[3], now, ARGV[4])
redis.call('PEXPIRE', KEYS[3], math.ceil(tonumber(ARGV[6]) * 1000))
return 1
