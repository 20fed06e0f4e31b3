-- Commits if the lock is the caller's and the pool is still as it was loaded; and unlocks.
-- KEYS: lock, unlocked, pool, log, events. Redis checks the caller's rights to them first.
-- ARGV: token; the version before; the number and the commit of the new one; '1' if nothing new is
-- taken, so that it is to be made even where there is no memory; and then lists, each after its
-- length: channels to tell, records (field, '1' and the record, or '0' and ''), events (millisecond,
-- field, value); and last, without its length, a hash of all pools with a field and its value, or
-- nothing.
-- Returns 'done', also when this commit was done before; 'lost' when nothing was written.
local at = 0
local function take()
  at = at + 1
  return ARGV[at]
end
local token, before, number, commit, takes_nothing = take(), take(), take(), take(), take()
local version = number .. ' ' .. commit
local function unlock()
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.pcall('LPUSH', KEYS[2], '1')
  redis.pcall('PEXPIRE', KEYS[2], 10000)
end
local done = redis.call('XRANGE', KEYS[4], number .. '-0', number .. '-0')[1]
if done and done[2][4] == commit then return 'done' end
if redis.call('GET', KEYS[1]) ~= token then return 'lost' end
if (redis.call('HGET', KEYS[3], 'version') or '') ~= before then
  unlock()
  return 'lost'
end
-- What may fail for want of rights or memory comes before anything is written.
for _ = 1, tonumber(take()) do redis.call('PUBLISH', take(), '') end
if takes_nothing == '1' then redis.call('DEL', KEYS[2]) end
local entry = {'after', string.match(before, ' (%w+)$') or '', 'commit', commit}
local written, removed = {'version', version}, {}
for _ = 1, tonumber(take()) do
  local field, is_there, record = take(), take(), take()
  if is_there == '1' then
    entry[#entry + 1], entry[#entry + 2] = '=' .. field, record
    written[#written + 1], written[#written + 2] = field, record
  else
    entry[#entry + 1], entry[#entry + 2] = '-' .. field, ''
    removed[#removed + 1] = field
  end
end
-- A log that has this number already is not this pool's: somebody has put back an older one.
local last = redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)[1]
if last and tonumber(string.match(last[1], '^%d+')) >= tonumber(number) then
  redis.call('DEL', KEYS[4])
end
local words = {'XADD', KEYS[4], 'MAXLEN', '~', 256, number .. '-0'}
-- Lua passes on some 8,000 words at most: who changes more than that is not followed step by step.
if #entry > 4000 then entry = {'after', 'too much', 'commit', commit} end
for i = 1, #entry do words[#words + 1] = entry[i] end
local function call_in_parts(name, key, list, size)
  for first = 1, #list, size do
    redis.call(name, key, unpack(list, first, math.min(first + size - 1, #list)))
  end
end
-- The events first: an end without its event would count as lost by the store. Each gets a later id
-- than the one before it, whatever the clocks say.
local ms, number_in_ms = 0, 0
local newest = redis.call('XREVRANGE', KEYS[5], '+', '-', 'COUNT', 1)[1]
if newest then
  ms, number_in_ms = string.match(newest[1], '^(%d+)-(%d+)$')
  ms, number_in_ms = tonumber(ms), tonumber(number_in_ms)
end
for _ = 1, tonumber(take()) do
  local at = tonumber(take())
  if at > ms then ms, number_in_ms = at, 0 else number_in_ms = number_in_ms + 1 end
  redis.call('XADD', KEYS[5], string.format('%.0f-%.0f', ms, number_in_ms), take(), take())
end
redis.call(unpack(words))
call_in_parts('HDEL', KEYS[3], removed, 4000)
call_in_parts('HSET', KEYS[3], written, 4000)
-- It lies beside the pool: whoever may not write it loses nothing else.
if at < #ARGV then redis.pcall('HSET', ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]) end
unlock()
return 'done'
