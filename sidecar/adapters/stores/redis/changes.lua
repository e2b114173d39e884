-- KEYS: 2 log. ARGV: 4 revision or nothing, 5 the mark that was told with it, or nothing.
-- A server that lost its newest changes (restarted empty, failed over) counts them anew: the entry
-- then is another, though the number is the same. One that is empty again has no entry to compare,
-- and what it lost since it was read last shows in no number: both are another origin, which is the
-- beginning of what is kept here, the run of the server that keeps it, and the history that it
-- follows, which is another after each time that it was a replica. Origin and entry are the mark.
local revision = tonumber(redis.call('HGET', KEYS[1], 'revision') or 0)
local newest = redis.call('ZRANGE', KEYS[2], -1, -1)[1] or ''
if redis.call('HEXISTS', KEYS[1], 'began') == 0 then
  redis.pcall('HSET', KEYS[1], 'began', now) -- refused where nothing can be saved: the rest tells it then
end
local function said(section, fact)
  local found = redis.pcall('INFO', section)
  return type(found) == 'string' and string.match(found, fact) or ''
end
local origin = (redis.call('HGET', KEYS[1], 'began') or '')
  .. '/' .. said('server', 'run_id:(%x+)') .. '/' .. said('replication', 'master_replid:(%x+)')
local function mark_of(entry) return origin .. ' ' .. entry end

local mark, known = mark_of(newest), ARGV[5]
local after = tonumber(ARGV[4])
if not after or (after == revision and known == mark) then
  return {now, revision, mark, 1, {}}
end
local entry, reaches = '', after <= revision
if after > 0 then
  entry = redis.call('ZRANGEBYSCORE', KEYS[2], after, after)[1]
else
  reaches = reaches and redis.call('ZCARD', KEYS[2]) == revision
end
-- No origin has a blank in it.
if not reaches or not entry or (known ~= '' and string.match(known, '^%S* (.*)$') ~= entry) then
  return {now, revision, mark, 0, {}}
end
-- Of another origin with the same entry, as after a restart, these are known, and others may be lost.
local is_whole = (known == '' or known == mark_of(entry)) and 1 or 0
return {now, revision, mark, is_whole, redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. after, '+inf')}
