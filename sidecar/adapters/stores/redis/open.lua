-- Take possession of an empty store; refuse a server that may throw away what it holds.
local memory = redis.pcall('INFO', 'memory')
if type(memory) == 'string' and string.find(memory, 'maxmemory_policy:allkeys', 1, true)
  and not string.find(memory, 'maxmemory:0\r', 1, true) then
  return redis.error_reply('EVICTS')
end
if not version then
  redis.call('HSET', KEYS[1], 'version', ARGV[1])
end
return 1
