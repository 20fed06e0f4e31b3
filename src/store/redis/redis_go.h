// The values that the Go program of the same name keeps in Redis: how it writes them, and how it
// wants to read ours. Pure.
//
//   free, used before   {"last_released": RFC 3339}; never a "user", never null
//   held                {"type", "user", "actual_user", "start_time", …}, times as unix numbers
//   waiting             {"id", "user", …, "enqueue_time": RFC 3339, …}
//
// It tells reservations apart by user, type and time only, and its processes don't say who they
// are: they live by their heartbeats.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "core/pool.h"

namespace chg::redis_go {

/// The uid of an account; missing when this host doesn't know it.
using UidOf = std::function<std::optional<std::uint32_t>(const std::string& account)>;

/// The uid of accounts that this host doesn't know: nobody's.
inline constexpr std::uint32_t kUnknownUid = 0xffffffff;

/// It forgets who waits after this time without a heartbeat, and frees the GPUs of a run after 5
/// min.
inline constexpr Duration kQueuePatience = std::chrono::minutes(2);
inline constexpr Duration kRunPatience = std::chrono::minutes(5);

/// It keeps the history for 90 days after the last end.
inline constexpr std::chrono::seconds kHistoryLife{7776000};

nlohmann::json write_free(WallTime last_released);
nlohmann::json write_held(const Reservation& reservation);
nlohmann::json write_entry(const Request& request);
nlohmann::json write_usage(const UsageRecord& record);

/// One GPU that it has reserved.
struct Held {
  Reservation reservation;  ///< of this GPU alone; its id is the same for all its GPUs
  std::string queue_id;     ///< collected for this entry of the queue; "": in use
};

/// Missing: nobody has it.
std::optional<Held> read_held(const nlohmann::json& value, int gpu, const UidOf& uid_of);

/// When it was last released, as far as the value of a free GPU says.
std::optional<WallTime> read_last_released(const nlohmann::json& value);

/// `score`: of the queue, nanoseconds since 1970. Its waiter can't be seen; what is older than
/// kQueuePatience counts as older than kRunPatience.
Request read_entry(const nlohmann::json& value, const std::string& id, double score,
                   const UidOf& uid_of);

/// Missing for what is no usage record.
std::optional<UsageRecord> read_usage(const nlohmann::json& value, const UidOf& uid_of);

}  // namespace chg::redis_go
