// The pool as keys of Redis, and back. Pure: what is stored goes in as an image, and what is to be
// written comes out as commands.
//
//   PREFIX:gpu_count, :provider, :gpu:N, :queue, :queue:entry:ID, :usage_history_sorted
//       as the Go program has them (redis_go.h); ours beside its members
//   PREFIX:host       hash, ours alone: "settings", "cancelled", "gpu:N", "reservation:ID"
//       (records.h), and "identity" (the host's, as text_codec.h writes it)
//   canhazgpu:hosts   hash: the name of each host, and where its pool is (registration_of)
//
// A reservation of ours has a GPU while the value of that GPU names it ("reservation_ids"): what
// the Go program takes away is gone. What it reserved, or lets wait, is read from its own values,
// which we leave as they are until they end.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/pool.h"
#include "store/difference.h"
#include "store/redis/redis_go.h"

namespace chg {

/// The names of a pool's keys and channels.
struct RedisKeys {
  std::string prefix;

  std::string named(const std::string& name) const { return prefix + ":" + name; }
  std::string host() const { return named("host"); }
  std::string gpu(int index) const { return named("gpu:" + std::to_string(index)); }
  std::string queue() const { return named("queue"); }
  std::string entry(const std::string& id) const { return named("queue:entry:" + id); }
  std::string history() const { return named("usage_history_sorted"); }
  std::string lock() const { return named("allocation_lock"); }
  std::string changes() const { return named("changes"); }
  std::string request(const std::string& id) const { return named("request:" + id); }
};

/// All that is stored of a pool but its history, at one moment.
struct RedisImage {
  std::optional<std::string> gpu_count;
  std::optional<std::string> provider;
  std::map<std::string, std::string> host;         ///< the fields of PREFIX:host
  std::map<int, std::optional<std::string>> gpus;  ///< of each GPU that was looked for
  struct Entry {
    std::string id;
    double score = 0;
    std::optional<std::string> value;
  };
  std::vector<Entry> queue;  ///< by score
  std::int64_t changes = 0;  ///< the counter
};

struct RedisPool {
  Pool pool;
  std::set<std::string> go_reservations;  ///< ids of what the Go program has reserved
  std::set<std::string> go_requests;
  std::vector<std::string> lost;  ///< ids of records of ours whose GPUs were all taken away
};

/// More GPUs than this are a mistake in `gpu_count`.
inline constexpr int kRedisGpusMax = 10'000;

/// Throws Error(Failed), naming the key, for what neither program has written.
RedisPool decode_pool(const RedisImage& image, const RedisKeys& keys,
                      const redis_go::UidOf& uid_of);

/// What to write, and what must still be there for it: the Go program does not lock for everything.
struct RedisWrites {
  std::vector<std::pair<std::string, std::optional<std::string>>> expected;  ///< key, value
  std::vector<std::vector<std::string>> commands;  ///< each begins: name, key
  std::set<std::string> keys;                      ///< of all commands
};

/// Brings the image to `after`, whose difference from before.pool is `what`. A reservation of the
/// Go program may end, or get another expiry; everything else of it stays as it is.
RedisWrites encode_pool(const RedisImage& image, const RedisPool& before, const Pool& after,
                        const Difference& what, const RedisKeys& keys);

/// In which hash hosts are registered, whatever the prefixes of their pools.
inline constexpr const char* kRedisHosts = "canhazgpu:hosts";

/// The value under the host's name there: where its pool is, how many GPUs it has, when it was
/// registered, and by which version.
std::string registration_of(const Pool& pool, const RedisKeys& keys, WallTime now);

/// The prefix of that host's pool; missing for what is no such value.
std::optional<std::string> registered_prefix(const std::string& registration);

/// The usage records of members of the history, oldest end first; what is no record is left out.
std::vector<UsageRecord> decode_history(const std::vector<std::string>& members,
                                        const redis_go::UidOf& uid_of);

}  // namespace chg
