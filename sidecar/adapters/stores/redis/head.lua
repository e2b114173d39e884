-- Continues every script. ARGV: 1 version of our schema, 2 channel, 3 entries that the log keeps.
local version = redis.call('HGET', KEYS[1], 'version')
if version and version ~= ARGV[1] then
  return redis.error_reply('SCHEMA ' .. version)
end
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', tonumber(time[2]))

-- Write a change into the log, KEYS[2], and tell who watches.
local function note(kind, id)
  local revision = redis.call('HINCRBY', KEYS[1], 'revision', 1)
  redis.call('ZADD', KEYS[2], revision, revision .. '|' .. now .. '|' .. kind .. '|' .. id)
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[3]))
  redis.call('PUBLISH', ARGV[2], revision)
end

-- Find the member `id NUL digest` of a sorted set of keys.
local function member_of(ids, id)
  return redis.call('ZRANGEBYLEX', ids, '[' .. id .. '\0', '(' .. id .. '\1', 'LIMIT', 0, 1)[1]
end

local function digest_in(member)
  return string.sub(member, string.find(member, '\0', 1, true) + 1)
end
