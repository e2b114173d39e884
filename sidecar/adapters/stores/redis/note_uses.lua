-- KEYS: 3 records by digest, 4 ids. ARGV: from 4 on pairs of an id and Unix seconds.
for at = 4, #ARGV, 2 do
  local member = member_of(KEYS[4], ARGV[at])
  if member then
    local digest = digest_in(member)
    local value = redis.call('HGET', KEYS[3], digest)
    local start, used, rest = string.match(value or '', '^(%d+|)([^|]*)(.*)$')
    if start and (tonumber(used) or 0) < tonumber(ARGV[at + 1]) then
      redis.call('HSET', KEYS[3], digest, start .. ARGV[at + 1] .. rest)
    end
  end
end
return 1
