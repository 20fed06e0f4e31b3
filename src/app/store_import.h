// Takes over the pool of the Go program of the same name, or of canhazgpu 0.1.0, from a Redis.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "app/context.h"
#include "base/error.h"
#include "store/redis/redis_url.h"

namespace chg {

/// A reservation that is not in the pool, and why: "its command is not alive".
struct NotTaken {
  Reservation reservation;
  std::string why;
};

struct StoreImport {
  std::string from;                ///< its URL, without password
  Pool pool;                       ///< as it was written
  std::vector<Reservation> taken;  ///< what is new in it
  std::vector<Reservation> known;  ///< what an import before this has taken over, ended or not
  std::vector<NotTaken> not_taken;
  std::vector<Request> waiting;     ///< who waits there; nobody waits here for it
  std::vector<std::string> unread;  ///< keys that could not be read
  std::size_t records = 0;          ///< of the history, that are new
  std::size_t records_known = 0;
  std::string look_failure;  ///< why the GPUs are known by their indices alone; "": they are not
};

/// Takes over GPUs, reservations and history, and marks the pool there as moved. Its values stay as
/// they are, since the supervisors of the Go program end the jobs whose values they miss. Importing
/// again adds only what is not here yet, and brings nothing back that has ended here.
///
/// A live run of the Go program is found by its supervisor, a process of this host. Its command
/// becomes the holder, so the GPUs come back when it ends. A run without such a process is not
/// taken over.
///
/// Throws Error: NotPermitted for those who may not change the pool here, or would take it where
/// nobody else sees it; Failed when there is no
/// pool to take over, when it is another host's, or when somebody has reserved here already,
/// unless the same pool was imported here before.
StoreImport import_store(Context& to, const RedisAddress& from);

/// What is wrong where this host has no pool, but the Go program has, or had, one at that address:
/// how to take it over, or where it went. Missing when this host has a pool, or nothing is found
/// there; asks nobody for long.
std::optional<Error> missed_import(Context& context, const RedisAddress& at);

}  // namespace chg
