-- KEYS: 3 a hash. ARGV: 4 field.
return redis.call('HGET', KEYS[3], ARGV[4])
