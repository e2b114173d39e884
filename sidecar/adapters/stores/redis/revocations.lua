-- KEYS: 3 revocations by number. ARGV: 4 number before the page, 5 its length.
local newest = redis.call('HGET', KEYS[1], 'revocation') or '0'
local found = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[4], '+inf', 'LIMIT', 0, ARGV[5])
return {now, newest, found}
