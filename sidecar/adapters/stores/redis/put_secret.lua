-- KEYS: 3 secrets of the tenant. ARGV: 4 name, 5 sealed, 6 tenant.
redis.call('HSET', KEYS[3], ARGV[4], ARGV[5])
note('secret', ARGV[6] .. '/' .. ARGV[4])
return 1
