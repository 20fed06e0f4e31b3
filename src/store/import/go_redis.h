// The Redis in which the Go program of the same name keeps its pool: reads it, and marks it as
// moved, so that nobody goes on there unknowingly.
//
//   PREFIX:gpu_count  is set to a text: each command of the Go program needs a number there, fails,
//                     and shows it
//   PREFIX:imported   hash, ours: "gpu_count" as it was, and "store", where the pool went
#pragma once

#include <optional>
#include <string>

#include "store/import/go_pool.h"
#include "store/redis/redis_connection.h"

namespace chg {

class GoRedis {
 public:
  /// Connects. Throws as RedisConnection does.
  explicit GoRedis(const RedisAddress& address, Duration timeout = kRedisTimeout);

  /// Whether there is a pool that the Go program may be using.
  bool has_pool();

  /// The store that an import has noted, whether or not it was done.
  std::optional<std::string> imported_to();

  /// All of the pool, that of one which is marked as well. Throws Error(Failed) when there is none.
  GoImage read();

  /// Keeps the Go program from allocating for 10 s, or until `unlock`; waits for whoever does now.
  /// Throws Error(Failed) when that takes longer than the lock can live.
  void lock();
  void unlock();

  /// Notes where the pool goes. `mark` is what ends the use of this one.
  void note(const std::string& store);
  void mark();

  /// Its URL, without password; with the port and the database, by which people know it.
  std::string location() const;

 private:
  std::string key(const std::string& name) const { return address_.prefix + ":" + name; }
  std::optional<std::string> text(const std::vector<std::string>& command);
  std::string gpu_count();
  void read_gpus(GoImage& image, int count);
  void read_queue(GoImage& image);
  void read_history(GoImage& image);
  void read_old_history(GoImage& image);

  RedisAddress address_;
  RedisConnection connection_;
};

}  // namespace chg
