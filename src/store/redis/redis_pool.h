// How a pool lies in a Redis. Pure: replies in, values and words out.
//
//   PREFIX:pool       hash: the records of a pool (records.h), and "version"
//   PREFIX:log        stream: an entry for each of the last commits, with the records it wrote
//   PREFIX:history    sorted set: usage records, by the microsecond of their end
//   PREFIX:lock       the token of whoever changes the pool; expires
//   PREFIX:unlocked   list: one word, for the one who has waited longest for the lock
//   PREFIX:changes, PREFIX:request:ID, PREFIX:loss   channels
//   canhazgpu:hosts   hash: the name of each host, and where its pool is (registration_of)
//
// Commits are numbered; "version" is the number of the last one and its random name: "17 9f3a…". An
// entry of the log has that number as its id, and names the commit before it. Whoever knows a
// version gets only what came since. After a failover the same number may be another commit; the
// names tell.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/pool.h"
#include "store/redis/redis_connection.h"

namespace chg {

/// The names of a pool's keys and channels.
struct RedisKeys {
  std::string prefix;

  std::string named(const std::string& name) const { return prefix + ":" + name; }
  std::string pool() const { return named("pool"); }
  std::string log() const { return named("log"); }
  std::string history() const { return named("history"); }
  std::string lock() const { return named("lock"); }
  std::string unlocked() const { return named("unlocked"); }
  std::string loss() const { return named("loss"); }
  std::string changes() const { return named("changes"); }
  std::string request(const std::string& id) const { return named("request:" + id); }
};

/// Which commit a pool is the result of. Empty where there is no pool.
struct RedisVersion {
  std::uint64_t number = 0;
  std::string commit;  ///< letters and digits

  std::string text() const;
  bool operator==(const RedisVersion&) const = default;
};

struct RedisPool {
  RedisVersion version;
  Pool pool;
};

/// The pool in the reply of HGETALL PREFIX:pool. Throws Error(Failed) as records::add does, and for
/// a version that is none; with `damaged`, their fields go there.
RedisPool read_redis_pool(const RedisReply& hash, std::vector<std::string>* damaged = nullptr);

/// Brings the pool up to date with entries of the log (the reply of XRANGE). False, with the pool
/// unchanged or half changed, where they do not follow on it step by step: it has to be read anew.
bool follow_log(RedisPool& pool, const RedisReply& entries);

/// A usage record as it lies in the history: members with the same score are in the order of their
/// text. `place`: among the records of the same commit.
struct HistoryMember {
  std::string score;
  std::string text;
};
HistoryMember history_member(const UsageRecord& record, std::uint64_t commit, std::size_t place);

/// The score from which on the records that ended at `from` or later are found.
std::string history_score(WallTime from);

/// The usage record of a member; nullopt for what is none.
std::optional<UsageRecord> read_history_member(const std::string& text);

/// In which hash hosts are registered, whatever the prefixes of their pools.
inline constexpr const char* kRedisHosts = "canhazgpu:hosts";

/// The value under the host's name there: where its pool is, how many GPUs it has, when it was
/// registered, and by which version.
std::string registration_of(const Pool& pool, const RedisKeys& keys, WallTime now);

/// The prefix of that host's pool; nullopt for what is no such value.
std::optional<std::string> registered_prefix(const std::string& registration);

}  // namespace chg
