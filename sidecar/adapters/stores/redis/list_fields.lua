-- KEYS: 3 a hash.
return redis.call('HKEYS', KEYS[3])
