-- Begins every script that reads. KEYS[1]: the store's own hash.
-- A write that changes nothing is refused by a replica, and by a master that has lost the replicas
-- that min-replicas-to-write asks for: what such a server says may be outdated (AN-4, AN-10).
-- A master that cannot save to its disk still knows best.
local probe = redis.pcall('HDEL', KEYS[1], '-')
if type(probe) == 'table' and probe.err and not string.find(probe.err, 'MISCONF', 1, true) then
  return probe
end
