-- KEYS: 3 secrets of the tenant. ARGV: 4 name, 5 tenant.
if redis.call('HDEL', KEYS[3], ARGV[4]) == 0 then
  return 0
end
note('secret', ARGV[5] .. '/' .. ARGV[4])
return 1
