// A store that this program and the Go program of the same name can share: a Redis. It holds the
// pool of one host, in the keys of that program (redis_codec.h), so that both live on one pool.
//
// - One writer at a time: PREFIX:allocation_lock holds a token of ours, and expires by itself.
// - An update takes two commands: one script locks and loads, another commits. The commit is
//   fenced: it writes only while the lock is still ours and what it is based on is still there, so
//   one who was stopped in the middle harms nobody. He begins anew.
// - A commit is remembered for a minute, so that it can be sent again when its reply is lost.
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
