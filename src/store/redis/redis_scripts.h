// What runs inside of Redis, in Lua. It only gathers, checks and writes; decisions are made in C++.
#pragma once

#include <string>

namespace chg::redis_scripts {

/// Locks, unless ARGV[2] (the token) is empty, and loads the pool.
/// KEYS: lock. ARGV: prefix, token, expiry of the lock in ms.
/// Returns {"locked", holder}, or {"loaded", gpu_count, provider, host, gpus, their values, queue,
/// its entries, changes}. Sent again with the same token it does the same again.
inline const std::string kLoad = R"lua(
local prefix = ARGV[1] .. ':'
if ARGV[2] ~= '' then
  local holder = redis.call('GET', KEYS[1])
  if holder and holder ~= ARGV[2] then return {'locked', holder} end
  -- A server without memory refuses what needs some, but not after a script has begun to write: so
  -- that those can lock who want to give something back.
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
-- One command for many keys: most of the time of a script goes into calling one.
local function values(names, first, step)
  local found, keys = {}, {}
  for i = 1, #names, step do
    keys[#keys + 1] = first .. names[i]
    if #keys == 1000 or i + step > #names then
      for _, value in ipairs(redis.call('MGET', unpack(keys))) do found[#found + 1] = value end
      keys = {}
    end
  end
  return found
end
local count = redis.call('GET', prefix .. 'gpu_count')
local host = redis.call('HGETALL', prefix .. 'host')
local gpus, seen = {}, {}
local function look(index)
  if seen[index] then return end
  seen[index] = true
  gpus[#gpus + 1] = index
end
for i = 0, math.min(tonumber(count) or 0, 10000) - 1 do look(tostring(i)) end
for i = 1, #host, 2 do
  local index = string.match(host[i], '^gpu:(%d+)$')
  if index then look(index) end
end
local queue = redis.call('ZRANGE', prefix .. 'queue', 0, -1, 'WITHSCORES')
return {'loaded', count, redis.call('GET', prefix .. 'provider'), host, gpus,
        values(gpus, prefix .. 'gpu:', 1), queue, values(queue, prefix .. 'queue:entry:', 2),
        redis.call('GET', prefix .. 'changes')}
)lua";

/// Commits if the lock is ours and nothing that the change is based on has changed; and unlocks.
/// KEYS: lock, changes, commit, unlocked, then all that is written (Redis checks the caller's
/// rights to them before anything is done). ARGV: token, "1" to count the change, "1" if it takes
/// nothing new and is to be made even where there is no memory, and then lists, each after its
/// length: what is expected (key, "1" or "0", value), channels to tell, commands
/// (each a list of words); and last, without its length, a hash of all pools with a field and its
/// value, or nothing. Returns "done", also when this commit was done before; "lost" when
/// nothing was written.
inline const std::string kCommit = R"lua(
local at = 0
local function take()
  at = at + 1
  return ARGV[at]
end
local function unlock()
  redis.call('DEL', KEYS[1], KEYS[4])
  redis.pcall('LPUSH', KEYS[4], '1')
  redis.pcall('PEXPIRE', KEYS[4], 10000)
end
local token, counts, takes_nothing = take(), take(), take()
if redis.call('EXISTS', KEYS[3]) == 1 then return 'done' end
if redis.call('GET', KEYS[1]) ~= token then return 'lost' end
for _ = 1, tonumber(take()) do
  local value, is_there, wanted = redis.call('GET', take()), take(), take()
  if (value or '') ~= wanted or (value and '1' or '0') ~= is_there then
    unlock()
    return 'lost'
  end
end
-- These fail, for want of rights or memory, before anything is written. Who takes nothing new is to
-- succeed without memory.
for _ = 1, tonumber(take()) do redis.call('PUBLISH', take(), '') end
if takes_nothing == '1' then redis.call('DEL', KEYS[3]) end
redis.call('SET', KEYS[3], '1', 'PX', 60000)
for _ = 1, tonumber(take()) do
  local words = {}
  for i = 1, tonumber(take()) do words[i] = take() end
  redis.call(unpack(words))
end
if counts == '1' then redis.call('INCR', KEYS[2]) end
-- It lies beside the pool: whoever may not write it loses nothing else.
if at < #ARGV then redis.pcall('HSET', ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]) end
unlock()
return 'done'
)lua";

/// Lets the lock go if it is ours. KEYS: lock, unlocked. ARGV: token.
inline const std::string kUnlock = R"lua(
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.pcall('LPUSH', KEYS[2], '1')
redis.pcall('PEXPIRE', KEYS[2], 10000)
return 1
)lua";

}  // namespace chg::redis_scripts
