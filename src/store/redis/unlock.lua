-- Lets the lock go if it is the caller's. KEYS: lock, unlocked. ARGV: token.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.pcall('LPUSH', KEYS[2], '1')
redis.pcall('PEXPIRE', KEYS[2], 10000)
return 1
