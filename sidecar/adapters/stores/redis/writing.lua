-- Begins every script that writes. KEYS[1]: the store's own hash.
-- The first write is refused by a server that is full, read-only or cannot save; once it passed,
-- Redis lets the rest of the script pass too, so that all of it happens or nothing.
redis.call('HSETNX', KEYS[1], 'version', ARGV[1])
