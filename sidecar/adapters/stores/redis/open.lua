-- Take possession of an empty store; refuse a server that may throw away what it holds.
-- Returns two numbers: 0 when the user may not ask the server what it is (INFO), else 1; and 1 for a
-- master that goes on without its replicas.
local memory = redis.pcall('INFO', 'memory')
local is_told = type(memory) == 'string'
if is_told and string.find(memory, 'maxmemory_policy:allkeys', 1, true)
  and not string.find(memory, 'maxmemory:0\r', 1, true) then
  return redis.error_reply('EVICTS')
end
if not version then
  redis.call('HSET', KEYS[1], 'version', ARGV[1])
end
local replication = redis.pcall('INFO', 'replication')
local is_alone = type(replication) == 'string'
  and not string.find(replication, 'min_slaves_good_slaves:', 1, true)
return {is_told and 1 or 0, is_alone and 1 or 0}
