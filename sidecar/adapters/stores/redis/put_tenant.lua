-- KEYS: 3 records by id, 4 ids. ARGV: 4 id, 5 version, 6 record.
local value = redis.call('HGET', KEYS[3], ARGV[4])
local before = value and tonumber(string.match(value, '^%d+')) or 0
if before ~= tonumber(ARGV[5]) - 1 then
  return 0
end
redis.call('HSET', KEYS[3], ARGV[4], ARGV[5] .. '|' .. ARGV[6])
redis.call('ZADD', KEYS[4], 0, ARGV[4])
note('tenant', ARGV[4])
return 1
