-- Take possession of an empty store; refuse a server that may throw away what it holds.
-- Returns 0 when the user may not ask the server what it is (INFO), else 1.
local memory = redis.pcall('INFO', 'memory')
local is_told = type(memory) == 'string'
if is_told and string.find(memory, 'maxmemory_policy:allkeys', 1, true)
  and not string.find(memory, 'maxmemory:0\r', 1, true) then
  return redis.error_reply('EVICTS')
end
if not version then
  redis.call('HSET', KEYS[1], 'version', ARGV[1])
end
return is_told and 1 or 0
