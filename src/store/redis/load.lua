-- Locks, unless the token is empty, and tells the pool, or what came since the caller knew it.
-- KEYS: lock, pool, log. ARGV: token, life of the lock in ms, the version that the caller knows.
-- Returns {'locked', holder}; {'all', the pool's hash, server}; or {'since', entries of the log,
-- server}. Each start of a server gives it another name; '' where that was not asked for or told.
-- Sent again with the same token it does the same again.
local server = ''
if ARGV[1] ~= '' then
  local holder = redis.call('GET', KEYS[1])
  if holder and holder ~= ARGV[1] then return {'locked', holder} end
  -- A server without memory refuses commands that need some, but not in a script that has written
  -- before. So whoever wants to give something back can lock.
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  local info = redis.pcall('INFO', 'server')
  if type(info) == 'string' then server = string.match(info, 'run_id:(%w+)') or '' end
end
local version = redis.call('HGET', KEYS[2], 'version')
if version and version == ARGV[3] then return {'since', {}, server} end
local number, commit = string.match(ARGV[3], '^(%d+) (%w+)$')
if version and number then
  local entries = redis.call('XRANGE', KEYS[3], '(' .. number .. '-0', '+', 'COUNT', 200)
  local first, last = entries[1], entries[#entries]
  -- Each entry names the commit before it: after a failover the same number may be another commit.
  if first and first[2][2] == commit and last[1] == string.match(version, '^%d+') .. '-0' then
    return {'since', entries, server}
  end
end
return {'all', redis.call('HGETALL', KEYS[2]), server}
