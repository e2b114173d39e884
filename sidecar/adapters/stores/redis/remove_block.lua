-- KEYS: 3 records by id, 4 ids, 5 ids by end. ARGV: 4 id.
local ends = redis.call('ZSCORE', KEYS[5], ARGV[4])
local is_there = redis.call('ZREM', KEYS[4], ARGV[4]) == 1
redis.call('HDEL', KEYS[3], ARGV[4])
redis.call('ZREM', KEYS[5], ARGV[4])
if not is_there or (ends and tonumber(ends) <= tonumber(now)) then
  return 0
end
note('block', ARGV[4])
return 1
