-- KEYS: 3 records by digest, 4 ids, 5 ids of the tenant.
-- ARGV: 4 id, 5 digest, 6 version, 7 last use or nothing, 8 tenant or nothing, 9 record.
local member = member_of(KEYS[4], ARGV[4])
if not member then
  return 0
end
local before = digest_in(member)
local value = redis.call('HGET', KEYS[3], before)
local version_before, used, tenant = string.match(value, '^(%d+)|([^|]*)|([^|]*)|')
if tonumber(version_before) ~= tonumber(ARGV[6]) - 1 or tenant ~= ARGV[8] then
  return 0
end
if before ~= ARGV[5] then
  if redis.call('HEXISTS', KEYS[3], ARGV[5]) == 1 then
    return 0
  end
  redis.call('HDEL', KEYS[3], before)
  for at = 4, 5 do
    redis.call('ZREM', KEYS[at], member)
    redis.call('ZADD', KEYS[at], 0, ARGV[4] .. '\0' .. ARGV[5])
  end
end
if ARGV[7] ~= '' and (used == '' or tonumber(ARGV[7]) > tonumber(used)) then
  used = ARGV[7]
end
redis.call('HSET', KEYS[3], ARGV[5], ARGV[6] .. '|' .. used .. '|' .. tenant .. '|' .. ARGV[9])
note('key', ARGV[4])
return 1
