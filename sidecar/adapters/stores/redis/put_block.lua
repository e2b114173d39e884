-- KEYS: 3 records by id, 4 ids, 5 ids by end.
-- ARGV: 4 id, 5 end in Unix seconds or nothing, 6 record, 7 blocks that there may be.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now, 'LIMIT', 0, 100)) do
  redis.call('HDEL', KEYS[3], id)
  redis.call('ZREM', KEYS[4], id)
  redis.call('ZREM', KEYS[5], id)
end
local ends = redis.call('ZSCORE', KEYS[5], ARGV[4])
local is_there = redis.call('ZSCORE', KEYS[4], ARGV[4])
if not is_there or (ends and tonumber(ends) <= tonumber(now)) then
  local over = redis.call('ZCOUNT', KEYS[5], '-inf', now)
  if redis.call('ZCARD', KEYS[4]) - over >= tonumber(ARGV[7]) then
    return 0
  end
end
redis.call('HSET', KEYS[3], ARGV[4], ARGV[6])
redis.call('ZADD', KEYS[4], 0, ARGV[4])
if ARGV[5] == '' then
  redis.call('ZREM', KEYS[5], ARGV[4])
else
  redis.call('ZADD', KEYS[5], ARGV[5], ARGV[4])
end
note('block', ARGV[4])
return 1
