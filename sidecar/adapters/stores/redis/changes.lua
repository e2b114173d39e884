-- KEYS: 2 log. ARGV: 4 revision or nothing, 5 entry of that revision as it was read, or nothing.
-- A server that lost its newest changes (restarted empty, failed over) counts them anew: the entry
-- then is another, though the number is the same.
local revision = tonumber(redis.call('HGET', KEYS[1], 'revision') or 0)
local newest = redis.call('ZRANGE', KEYS[2], -1, -1)[1] or ''
if ARGV[4] == '' then
  return {now, revision, newest, 1, {}}
end
local after = tonumber(ARGV[4])
local reaches = after <= revision
if after > 0 then
  local entry = redis.call('ZRANGEBYSCORE', KEYS[2], after, after)[1]
  reaches = reaches and entry and (ARGV[5] == '' or ARGV[5] == entry)
else
  reaches = reaches and redis.call('ZCARD', KEYS[2]) == revision
end
if not reaches then
  return {now, revision, newest, 0, {}}
end
return {now, revision, newest, 1, redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. after, '+inf')}
