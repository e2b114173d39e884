-- KEYS: 3 records by digest, 4 ids. ARGV: 4 id.
local member = member_of(KEYS[4], ARGV[4])
return member and redis.call('HGET', KEYS[3], digest_in(member))
