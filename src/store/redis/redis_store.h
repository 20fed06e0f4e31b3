// A pool of one host in a Redis; redis_pool.h tells how it lies there.
//
// - One writer at a time: PREFIX:lock holds a token of the writer, and expires by itself.
// - An update takes two commands: one script locks and loads, another commits. The commit is
//   fenced: it writes only while the lock is the writer's and the pool has the version that was
//   loaded. A writer that was stopped in the middle harms nobody, and begins anew.
// - Whoever has read the pool before loads only what came since.
// - The log tells whether a commit was made, so it can be sent again when its reply is lost.
// - Changes are published (PREFIX:changes; PREFIX:request:ID for one request).
// - Several hosts may have their pools in one Redis, each under a prefix of its own. The hash
//   canhazgpu:hosts tells where; a commit of a reservation renews what it says of its host.
// - How safe a commit is from a power loss is the server's setting (appendonly).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "store/redis/redis_url.h"
#include "store/store.h"

namespace chg {

/// The store at this Redis. Nothing is asked of it yet: who can't reach it hears so at the first
/// use. An empty Redis holds an empty pool.
std::unique_ptr<Store> open_redis_store(const RedisAddress& address);
/// Throws Error(Usage) for what is no URL of a Redis.
std::unique_ptr<Store> open_redis_store(const std::string& url);

}  // namespace chg
