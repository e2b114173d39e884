-- KEYS: 3 records by digest. ARGV: from 4 on digests.
for at = 4, #ARGV do
  local value = redis.call('HGET', KEYS[3], ARGV[at])
  if value then
    return value
  end
end
return false
