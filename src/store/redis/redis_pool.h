// How a pool lies in a Redis. Pure: replies in, values and words out.
//
//   PREFIX:pool       hash: the records of a pool (records.h), and "version"
//   PREFIX:log        stream: an entry for each of the last commits, with the records it wrote
//   PREFIX:events     stream: the events (core/events.h). The id of an entry is the millisecond in
//                     which the event took effect, or the one before it where that is not later
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
#include <string_view>
#include <vector>

#include "core/pool.h"
#include "store/redis/redis_connection.h"
#include "store/store.h"

namespace chg {

/// The names of a pool's keys and channels.
struct RedisKeys {
  std::string prefix;

  std::string named(const std::string& name) const { return prefix + ":" + name; }
  std::string pool() const { return named("pool"); }
  std::string log() const { return named("log"); }
  std::string events() const { return named("events"); }
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

/// The millisecond of an event in PREFIX:events; 0 for anything before 1970.
std::uint64_t event_millisecond(WallTime at);

/// The name of the one field of its entry there. Its value is the event's JSON.
const char* event_field(const Event& event);

/// An entry there, in a reply of XRANGE.
struct EventEntry {
  EventPosition position;      ///< its id
  bool is_end = false;         ///< of the kind Ended
  std::string_view json = {};  ///< valid as long as the reply
};

/// Throws Error(Failed) for what is no such entry.
EventEntry read_event_entry(const RedisReply& entry);

/// In which hash hosts are registered, whatever the prefixes of their pools.
inline constexpr const char* kRedisHosts = "canhazgpu:hosts";

/// The value under the host's name there: where its pool is, how many GPUs it has, when it was
/// registered, and by which version.
std::string registration_of(const Pool& pool, const RedisKeys& keys, WallTime now);

/// The prefix of that host's pool; nullopt for what is no such value.
std::optional<std::string> registered_prefix(const std::string& registration);

}  // namespace chg
