-- KEYS: 2 log. ARGV: 4 revision or nothing, 5 entry of that revision as it was read, or nothing,
-- 6 origin of what was read, or nothing.
-- A server that lost its newest changes (restarted empty, failed over) counts them anew: the entry
-- then is another, though the number is the same. One that is empty again has no entry to compare,
-- and what it lost since it was read last shows in no number: both are another origin, which is the
-- beginning of what is kept here, and the run of the server that keeps it.
local revision = tonumber(redis.call('HGET', KEYS[1], 'revision') or 0)
local newest = redis.call('ZRANGE', KEYS[2], -1, -1)[1] or ''
if redis.call('HEXISTS', KEYS[1], 'began') == 0 then
  redis.pcall('HSET', KEYS[1], 'began', now) -- a full server refuses: its run alone tells it then
end
local server = redis.pcall('INFO', 'server')
local run = type(server) == 'string' and string.match(server, 'run_id:(%x+)') or ''
local origin = (redis.call('HGET', KEYS[1], 'began') or '') .. '/' .. run
if ARGV[4] == '' then
  return {now, revision, newest, origin, 1, {}}
end
local after = tonumber(ARGV[4])
local reaches = after <= revision and (ARGV[6] == '' or ARGV[6] == origin)
if after > 0 then
  local entry = redis.call('ZRANGEBYSCORE', KEYS[2], after, after)[1]
  reaches = reaches and entry and (ARGV[5] == '' or ARGV[5] == entry)
else
  reaches = reaches and redis.call('ZCARD', KEYS[2]) == revision
end
if not reaches then
  return {now, revision, newest, origin, 0, {}}
end
return {now, revision, newest, origin, 1, redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. after, '+inf')}
